// SPDX-License-Identifier: MIT
// vmctl create: from a configuration file to a running guest.
#include "config/load.hpp"
#include "console_session.hpp"
#include "domain/lifecycle.hpp"
#include "supervision.hpp"
#include "verb.hpp"

#include <cstdio>

namespace vmctl
{
namespace
{

Json summary(vm::GuestConfig const& guest)
{
    Json json = Json::parse(vm::config_to_json(guest));
    if (!guest.uuid)
    {
        json.erase("uuid"); // drawn when the guest is created
    }
    return json;
}

ExitCode run(Invocation const& invocation)
{
    auto const given_name = invocation.options.find("name");
    vm::ParsedConfig const parsed =
        vm::load_config(invocation.operands[0],
                        given_name == invocation.options.end() ? std::nullopt : std::optional(given_name->second));
    for (std::string const& warning : parsed.warnings)
    {
        std::fprintf(stderr, "vmctl: warning: %s\n", warning.c_str());
    }
    vm::Host host;
    if (invocation.has("dry-run"))
    {
        vm::check_guest(host, parsed.guest);
        print(render_object(invocation.format, Json{{"action", "create"}, {"guest", summary(parsed.guest)}}));
        return ExitCode::WouldChange;
    }
    warn_if_unsupervised(host.registry);
    vm::CreateOptions options;
    options.start_paused = invocation.has("paused");
    vm::GuestRecord const record = vm::create_guest(host, parsed.guest, options);
    if (invocation.has("console"))
    {
        try
        {
            return attach_console(host, record.domain, *record.config.uuid);
        }
        catch (Error const& error)
        {
            throw Error(ExitCode::Partial, "guest '" + record.config.name + "' is created, but " + error.what(),
                        "try vmctl console " + record.config.name);
        }
    }
    if (invocation.format == Format::Table)
    {
        std::fprintf(stderr, "created guest '%s' as domain %u\n", record.config.name.c_str(), record.domain);
        return ExitCode::Ok;
    }
    print(render_object(
        invocation.format,
        Json{{"name", record.config.name}, {"id", record.domain}, {"uuid", vm::to_string(*record.config.uuid)}}));
    return ExitCode::Ok;
}

} // namespace

Verb const kCreate{"create",
                   "CONFIG",
                   1,
                   1,
                   "Create and start a guest from an xl.cfg or TOML file",
                   {{"dry-run", 'n', "", "check everything, change nothing, exit with 10"},
                    {"paused", 'p', "", "leave the guest paused"},
                    {"console", 'c', "", "attach to the guest's console"},
                    {"name", '\0', "NAME", "use this name instead of the configured one"}},
                   run};

} // namespace vmctl
