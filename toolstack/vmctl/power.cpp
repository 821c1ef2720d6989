// SPDX-License-Identifier: MIT
// vmctl pause, resume and destroy: what the hypervisor does with a guest without asking it.
#include "domain/find.hpp"
#include "domain/signals.hpp"
#include "supervise/ended_log.hpp"
#include "verb.hpp"

#include <cstdio>

namespace vmctl
{
namespace
{

constexpr Option kDryRun{"dry-run", 'n', "", "say what would be done, change nothing, exit with 10"};

vm::FoundGuest find_guest_not_host(vm::Host& host, std::string const& who)
{
    vm::FoundGuest guest = vm::find_guest(host, who);
    if (guest.info.id == vm::kControlDomain)
    {
        throw Error(ExitCode::Denied, "'" + who + "' is the control domain", "name a guest");
    }
    return guest;
}

/// Tells the change that is not made.
ExitCode would(Invocation const& invocation, char const* action, vm::FoundGuest const& guest)
{
    print(render_object(invocation.format, Json{{"action", action}, {"name", guest.name}, {"id", guest.info.id}}));
    return ExitCode::WouldChange;
}

void require_live(vm::FoundGuest const& guest)
{
    if (guest.info.dying || guest.info.shut_down)
    {
        throw Error(ExitCode::WrongState, "guest '" + guest.name + "' is " + guest.info.state());
    }
}

ExitCode run_pause(Invocation const& invocation)
{
    vm::Host host;
    vm::FoundGuest const guest = find_guest_not_host(host, invocation.operands[0]);
    require_live(guest);
    if (guest.info.paused)
    {
        throw Error(ExitCode::WrongState, "guest '" + guest.name + "' is paused already");
    }
    if (invocation.has("dry-run"))
    {
        return would(invocation, "pause", guest);
    }
    host.hypervisor.pause(guest.info.id);
    return ExitCode::Ok;
}

ExitCode run_resume(Invocation const& invocation)
{
    vm::Host host;
    vm::FoundGuest const guest = find_guest_not_host(host, invocation.operands[0]);
    require_live(guest);
    if (!guest.info.paused)
    {
        throw Error(ExitCode::WrongState, "guest '" + guest.name + "' is not paused");
    }
    if (guest.record && guest.record->phase == vm::GuestRecord::Phase::Building)
    {
        throw Error(ExitCode::WrongState, "guest '" + guest.name + "' is still being created");
    }
    if (invocation.has("dry-run"))
    {
        return would(invocation, "resume", guest);
    }
    host.hypervisor.unpause(guest.info.id);
    return ExitCode::Ok;
}

ExitCode run_destroy(Invocation const& invocation)
{
    vm::Host host;
    std::string const& who = invocation.operands[0];
    bool const dry_run = invocation.has("dry-run");
    if (!dry_run && host.registry.forget_restart(who) && !host.registry.name_is_taken(who, host.liveness()))
    {
        vm::EndedLog(host.registry.root()).add(who, 0, "not to be started again, on request");
        return ExitCode::Ok; // it has ended before, and now stays so
    }
    vm::FoundGuest const guest = find_guest_not_host(host, who);
    if (dry_run)
    {
        return would(invocation, "destroy", guest);
    }
    vm::SignalGuard const signals; // half a guest is of no use: once begun it is done to the end
    if (!vm::destroy_guest(host, guest.info.id, guest.info.uuid))
    {
        std::fprintf(stderr, "vmctl: guest '%s' was ended by somebody else at the same moment\n", guest.name.c_str());
        return ExitCode::Ok;
    }
    if (guest.record)
    {
        vm::EndedLog(host.registry.root()).add(guest.name, guest.info.id, "destroyed on request");
    }
    return ExitCode::Ok;
}

} // namespace

Verb const kPause{"pause", "GUEST", 1, 1, "Stop a guest's vCPUs until it is resumed", {kDryRun}, run_pause};
Verb const kResume{"resume", "GUEST", 1, 1, "Let a paused guest run on", {kDryRun}, run_resume};
Verb const kDestroy{"destroy", "GUEST", 1, 1, "End a guest at once, without asking it", {kDryRun}, run_destroy};

} // namespace vmctl
