// SPDX-License-Identifier: MIT
// vmctl shutdown and reboot: what a guest is asked to do itself.
#include "domain/find.hpp"
#include "supervision.hpp"
#include "verb.hpp"

#include <chrono>

namespace vmctl
{
namespace
{

constexpr long kDefaultLimit = 120;

/// Whether the guest's domain has stopped, or is no more.
bool has_ended(vm::Host const& host, vm::FoundGuest const& guest)
{
    auto const info = host.hypervisor.domain(guest.info.id);
    return !info || info->uuid != guest.info.uuid || info->shut_down || info->dying;
}

ExitCode ask(Invocation const& invocation, char const* request, char const* feature)
{
    long const limit = invocation.number("timeout", kDefaultLimit, 1, 86400);
    if (invocation.has("timeout") && !invocation.has("wait"))
    {
        throw Error(ExitCode::Usage, "--timeout says how long to wait, but --wait is not given", "add --wait");
    }
    vm::Host host;
    vm::FoundGuest const guest = vm::find_guest(host, invocation.operands[0]);
    if (guest.info.id == vm::kControlDomain)
    {
        throw Error(ExitCode::Denied, "'" + guest.name + "' is the control domain", "name a guest");
    }
    if (guest.info.dying || guest.info.shut_down)
    {
        throw Error(ExitCode::WrongState, "guest '" + guest.name + "' is " + guest.info.state());
    }
    if (guest.info.paused)
    {
        throw Error(ExitCode::WrongState, "guest '" + guest.name + "' is paused and cannot answer",
                    "resume it first: vmctl resume " + guest.name);
    }
    std::string const control = vm::domain_path(guest.info.id) + "/control/";
    if (host.store.read(control + feature).value_or("") != "1" && !invocation.has("force"))
    {
        throw Error(ExitCode::WrongState, "guest '" + guest.name + "' has not said that it listens to such requests",
                    "it may still be booting; ask all the same with --force, or use vmctl destroy");
    }
    if (invocation.has("dry-run"))
    {
        print(render_object(invocation.format, Json{{"action", request}, {"name", guest.name}, {"id", guest.info.id}}));
        return ExitCode::WouldChange;
    }
    warn_if_unsupervised(host.registry);
    host.store.write(control + "shutdown", request);
    if (!invocation.has("wait"))
    {
        return ExitCode::Ok;
    }
    bool const ended =
        host.store.wait_until("@releaseDomain", std::chrono::seconds(limit), [&] { return has_ended(host, guest); });
    if (!ended)
    {
        throw Error(ExitCode::Timeout,
                    "guest '" + guest.name + "' has not ended within " + std::to_string(limit) + " s",
                    "wait longer with --timeout, or use vmctl destroy");
    }
    return ExitCode::Ok;
}

ExitCode run_shutdown(Invocation const& invocation)
{
    return ask(invocation, "poweroff", "feature-poweroff");
}

ExitCode run_reboot(Invocation const& invocation)
{
    return ask(invocation, "reboot", "feature-reboot");
}

std::vector<Option> const& options()
{
    static std::vector<Option> const all{
        {"wait", 'w', "", "wait until the guest has ended"},
        {"timeout", 't', "SECONDS", "with --wait: at most so long (120)"},
        {"force", 'F', "", "ask even if the guest has not said that it listens"},
        {"dry-run", 'n', "", "say what would be done, change nothing, exit with 10"},
    };
    return all;
}

} // namespace

Verb const kShutdown{"shutdown", "GUEST", 1, 1, "Ask a guest to shut down", options(), run_shutdown};
Verb const kReboot{"reboot", "GUEST", 1, 1, "Ask a guest to reboot", options(), run_reboot};

} // namespace vmctl
