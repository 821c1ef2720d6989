// SPDX-License-Identifier: MIT
// The program tessera-store.
#include "daemon/daemon.hpp"
#include "daemon/process.hpp"
#include "daemon/sandbox.hpp"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

int main(int count, char** arguments)
{
    using namespace tessera::store;
    Options options;
    OptionsResult const parsed = parse_options(count, arguments, options);
    if (parsed != OptionsResult::Run)
    {
        return parsed == OptionsResult::Done ? 0 : 2;
    }
    ::signal(SIGPIPE, SIG_IGN);
    allow_many_descriptors();
    Log log;
    log.set_level(options.log_level);
    if (!options.log_file.empty() && !log.open(options.log_file))
    {
        std::fprintf(stderr, "tessera-store: cannot open the log file %s\n", options.log_file.c_str());
        if (options.handover < 0)
        { // in a live update there is no way back: rather another log than no store
            return 1;
        }
    }
    try
    {
        FileDescriptor waiting_parent;
        if (!options.foreground)
        {
            waiting_parent = detach();
        }
        Daemon daemon(options, {arguments, arguments + count}, log);
        if (options.sandbox && !drop_privileges())
        {
            log.write(LogLevel::Warning, "sandbox", "cause=" + quote_text(std::strerror(errno)));
        }
        announce_ready(std::move(waiting_parent), options.pid_file);
        log.write(LogLevel::Info, "ready", "socket=" + options.socket);
        daemon.run();
        return 0;
    }
    catch (std::exception const& error)
    {
        std::fprintf(stderr, "tessera-store: %s\n", error.what());
        return options.domains ? 8 : 1;
    }
}
