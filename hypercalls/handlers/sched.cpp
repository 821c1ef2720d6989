// SPDX-License-Identifier: MIT
// sched_op: decodes, checks who may, and calls core/sched and core/evtchn.
#include <core/evtchn/event_channels.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/watchdog.hpp>
#include <hypercalls/dispatch/groups.hpp>
#include <hypercalls/handlers/sched.hpp>
#include <lib/atomic.hpp>

#include <span>

namespace hv::handlers
{
namespace
{

inline constexpr std::uint32_t kMaxPollPorts = 128;

CallResult shut_down(Domain& domain, std::uint32_t reason)
{
    HV_REQUIRE(reason <= SHUTDOWN_MAX, Errno::Inval);
    shutdown_domain(domain, reason);
    return 0;
}

} // namespace

CallResult sched_op_call(Caller& caller, std::uint64_t operation, std::uint64_t argument, std::uint64_t extra)
{
    return groups::sched_op(static_cast<std::uint32_t>(operation), argument, extra, caller);
}

CallResult sched_op_compat(Caller& caller, std::uint64_t operation, std::uint64_t argument)
{
    switch (operation)
    {
    case SCHEDOP_yield: return sched_op::yield(caller);
    case SCHEDOP_block: return sched_op::block(caller);
    case SCHEDOP_shutdown: return shut_down(caller.domain(), static_cast<std::uint32_t>(argument));
    default: return Errno::NoSys;
    }
}

namespace sched_op
{

CallResult yield(Caller& caller)
{
    vcpu_yield(caller.vcpu());
    return 0;
}

CallResult block(Caller& caller)
{
    store_relaxed(caller.vcpu().info->evtchn_upcall_mask, 0);
    vcpu_block(caller.vcpu());
    return 0;
}

CallResult shutdown(Caller& caller, abi::sched_shutdown const& args)
{
    return shut_down(caller.domain(), args.reason);
}

CallResult poll(Caller& caller, abi::sched_poll const& args)
{
    HV_REQUIRE(args.nr_ports <= kMaxPollPorts, Errno::Inval);
    std::uint32_t ports[kMaxPollPorts];
    GuestIn<std::uint32_t> const list(reinterpret_cast<std::uint64_t>(args.ports.p));
    bool const read = args.nr_ports == 1 // as spinning kernels do
                          ? read_object(ports[0], list.address(0))
                          : list.read_array(ports, 0, args.nr_ports);
    HV_REQUIRE(read, Errno::Fault);
    HV_TRY_VOID(vcpu_poll(caller.vcpu(), std::span<std::uint32_t const>(ports, args.nr_ports), args.timeout));
    return 0;
}

CallResult remote_shutdown(Caller& caller, abi::sched_remote_shutdown const& args)
{
    DomainRef const domain = find_domain(caller.domain(), DomainId{args.domain_id});
    HV_REQUIRE(domain, Errno::Srch);
    return shut_down(*domain, args.reason);
}

CallResult shutdown_code(Caller& caller, abi::sched_shutdown const& args)
{
    HV_REQUIRE(args.reason <= SHUTDOWN_MAX, Errno::Inval);
    Domain& domain = caller.domain();
    Guard guard(domain.lifecycle_lock);
    if (domain.latched_shutdown_code < 0)
        domain.latched_shutdown_code = static_cast<std::int32_t>(args.reason);
    return 0;
}

CallResult watchdog(Caller& caller, abi::sched_watchdog const& args)
{
    return watchdog_control(caller.domain(), args.id, args.timeout);
}

CallResult pin_override(Caller& caller, abi::sched_pin_override const& args)
{
    HV_TRY_VOID(sched_pin_override(caller.vcpu(), args.pcpu));
    return 0;
}

} // namespace sched_op
} // namespace hv::handlers
