// SPDX-License-Identifier: MIT
// event_channel_op: decodes, checks who may, and calls core/evtchn.
#include <core/evtchn/event_channels.hpp>
#include <hypercalls/dispatch/groups.hpp>
#include <hypercalls/handlers/event_channel.hpp>

namespace hv::handlers
{
namespace
{

inline constexpr std::int32_t kResetUnits = 512;

EventChannels& own(Caller& caller)
{
    return *caller.domain().events;
}

// The domain that a call acts for: the caller's own, or any for the control domain.
bool may_act_for(Caller& caller, Domain const& domain)
{
    return &domain == &caller.domain() || caller.is_control();
}

CallResult done(Result<void> const& result)
{
    if (!result)
        return result.error();
    return 0;
}

} // namespace

CallResult event_channel_op_call(Caller& caller, std::uint64_t operation, std::uint64_t argument, std::uint64_t extra)
{
    return groups::event_channel_op(static_cast<std::uint32_t>(operation), argument, extra, caller);
}

namespace event_channel_op
{

CallResult bind_interdomain(Caller& caller, abi::evtchn_bind_interdomain& args)
{
    DomainRef const remote = find_domain(caller.domain(), DomainId{args.remote_dom});
    HV_REQUIRE(remote && remote->events != nullptr, Errno::Srch);
    args.local_port = HV_TRY(own(caller).bind_interdomain(*remote, EvtchnPort{args.remote_port})).raw();
    return 0;
}

CallResult bind_virq(Caller& caller, abi::evtchn_bind_virq& args)
{
    args.port = HV_TRY(own(caller).bind_virq(args.virq, args.vcpu)).raw();
    return 0;
}

CallResult bind_pirq(Caller& caller, abi::evtchn_bind_pirq& args)
{
    HV_REQUIRE((args.flags & ~std::uint32_t{BIND_PIRQ__WILL_SHARE}) == 0, Errno::Inval);
    bool const will_share = (args.flags & BIND_PIRQ__WILL_SHARE) != 0;
    args.port = HV_TRY(own(caller).bind_pirq(args.pirq, will_share)).raw();
    return 0;
}

CallResult close(Caller& caller, abi::evtchn_close const& args)
{
    return done(own(caller).close(EvtchnPort{args.port}));
}

CallResult send(Caller& caller, abi::evtchn_send const& args)
{
    return done(own(caller).send(EvtchnPort{args.port}));
}

CallResult status(Caller& caller, abi::evtchn_status& args)
{
    DomainRef const domain = find_domain(caller.domain(), DomainId{args.dom});
    HV_REQUIRE(domain && domain->events != nullptr, Errno::Srch);
    HV_REQUIRE(may_act_for(caller, *domain), Errno::Perm);
    return done(domain->events->status(EvtchnPort{args.port}, args));
}

CallResult alloc_unbound(Caller& caller, abi::evtchn_alloc_unbound& args)
{
    DomainRef const domain = find_domain(caller.domain(), DomainId{args.dom});
    HV_REQUIRE(domain && domain->events != nullptr, Errno::Srch);
    HV_REQUIRE(may_act_for(caller, *domain), Errno::Perm);
    DomainId const remote{args.remote_dom};
    args.port = HV_TRY(domain->events->alloc_unbound(remote == kDomainSelf ? caller.domain().id() : remote)).raw();
    return 0;
}

CallResult bind_ipi(Caller& caller, abi::evtchn_bind_ipi& args)
{
    args.port = HV_TRY(own(caller).bind_ipi(args.vcpu)).raw();
    return 0;
}

CallResult bind_vcpu(Caller& caller, abi::evtchn_bind_vcpu const& args)
{
    return done(own(caller).bind_vcpu(EvtchnPort{args.port}, args.vcpu));
}

CallResult unmask(Caller& caller, abi::evtchn_unmask const& args)
{
    return done(own(caller).unmask(EvtchnPort{args.port}));
}

CallResult reset(Caller& caller, abi::evtchn_reset const& args)
{
    DomainRef const domain = find_domain(caller.domain(), DomainId{args.dom});
    HV_REQUIRE(domain && domain->events != nullptr, Errno::Srch);
    HV_REQUIRE(may_act_for(caller, *domain), Errno::Perm);
    std::int32_t budget = kResetUnits;
    return done(domain->events->reset(budget));
}

CallResult init_control(Caller& caller, abi::evtchn_init_control& args)
{
    HV_TRY_VOID(own(caller).fifo_init_control(args.vcpu, GuestFrame{args.control_gfn}, args.offset));
    args.link_bits = EVTCHN_FIFO_LINK_BITS;
    return 0;
}

CallResult expand_array(Caller& caller, abi::evtchn_expand_array const& args)
{
    return done(own(caller).fifo_expand_array(GuestFrame{args.array_gfn}));
}

CallResult set_priority(Caller& caller, abi::evtchn_set_priority const& args)
{
    return done(own(caller).fifo_set_priority(EvtchnPort{args.port}, args.priority));
}

} // namespace event_channel_op
} // namespace hv::handlers
