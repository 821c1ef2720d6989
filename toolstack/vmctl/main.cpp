// SPDX-License-Identifier: MIT
// The entry of vmctl: finds the verb, runs it, and turns errors into messages and exit codes.
#include "verb.hpp"

#include "version.hpp"

#include <csignal>
#include <cstdio>
#include <exception>

namespace vmctl
{

std::vector<Verb> const& verbs()
{
    static std::vector<Verb> const all{kCreate,   kList,   kShow,    kConsole,  kPause,     kResume,
                                       kShutdown, kReboot, kDestroy, kHostInfo, kHostDmesg, kSupervise};
    return all;
}

namespace
{

int report(Error const& error, Format format)
{
    std::string const name(vm::exit_code_name(error.code()));
    if (format == Format::Json)
    {
        Json const body{{"error",
                         {{"code", static_cast<int>(error.code())},
                          {"name", name},
                          {"cause", error.what()},
                          {"hint", error.hint()}}}};
        std::fprintf(stderr, "%s\n", body.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
        return static_cast<int>(error.code());
    }
    std::fprintf(stderr, "vmctl: error %d (%s): %s\n", static_cast<int>(error.code()), name.c_str(), error.what());
    if (!error.hint().empty())
    {
        std::fprintf(stderr, "vmctl: hint: %s\n", error.hint().c_str());
    }
    return static_cast<int>(error.code());
}

int run(std::vector<std::string> const& words)
{
    Invocation invocation;
    try
    {
        Verb const* verb = nullptr;
        parse_command_line(words, verb, invocation);
        if (invocation.has("version"))
        {
            std::printf("vmctl (Tessera) %s\n", kVersion);
            return 0;
        }
        if (invocation.has("help"))
        {
            print_help(verb);
            return 0;
        }
        return static_cast<int>(verb->run(invocation));
    }
    catch (Error const& error)
    {
        return report(error, invocation.format);
    }
    catch (std::bad_alloc const&)
    {
        return report(Error(ExitCode::NoResources, "out of memory"), invocation.format);
    }
    catch (std::exception const& error)
    {
        return report(Error(ExitCode::Failed, error.what()), invocation.format);
    }
}

} // namespace
} // namespace vmctl

int main(int argc, char** argv)
{
    std::signal(SIGPIPE, SIG_IGN);
    return vmctl::run(std::vector<std::string>(argv + 1, argv + argc));
}
