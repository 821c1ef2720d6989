// SPDX-License-Identifier: MIT
// How an event travels: send, VIRQs, the 2-level bitmaps.
#include <core/evtchn/event_channels.hpp>
#include <core/sched/scheduler.hpp>
#include <lib/atomic.hpp>

#include <array>

namespace hv
{
namespace
{

// Who gets a global VIRQ when it is not the control domain (XEN_DOMCTL_set_virq_handler): a domain id, 0 = the default.
constinit std::array<std::uint16_t, NR_VIRQS> virq_handlers{};

static_assert(sizeof(abi::xen_ulong_t) == sizeof(std::uint64_t)); // the bitmaps of shared_info

} // namespace

void mark_event_pending(Vcpu& vcpu)
{
    if (exchange(vcpu.info->evtchn_upcall_pending, std::uint8_t{1}) == 0)
        vcpu_kick(vcpu);
}

// The event is already visible as pending, by a locked operation.
inline void EventChannels::wake_any_poller(EvtchnPort port)
{
    static_assert(std::tuple_size_v<decltype(polling_)> == 2);
    if ((load_relaxed(polling_[0]) | load_relaxed(polling_[1])) != 0) [[unlikely]]
        wake_pollers(port);
}

[[gnu::always_inline]] inline void EventChannels::deliver_inline(EvtchnPort port, Channel& target)
{
    if (FifoState* const fifo = load_acquire(fifo_); fifo != nullptr)
    {
        if (fifo_set_pending(domain_, *fifo, port, target))
            wake_any_poller(port);
    }
    else
        deliver_two_level(port, target);
}

[[gnu::always_inline]] inline void EventChannels::deliver_two_level(EvtchnPort port, Channel& target)
{
    abi::shared_info& shared = *domain_.shared_info;
    std::uint64_t const number = port.raw();
    if (test_and_set_bit(shared.evtchn_pending, number))
        return;
    // The domain may have gone over to FIFO since the caller looked. It publishes that before it collects these bits, and
    // we set the bit before we look: at least one side moves the event over.
    if (FifoState* const fifo = load_acquire(fifo_); fifo != nullptr) [[unlikely]]
    {
        if (test_and_clear_bit(shared.evtchn_pending, number) && fifo_set_pending(domain_, *fifo, port, target))
            wake_any_poller(port);
        return;
    }
    Vcpu& vcpu = *domain_.vcpus[load_relaxed(target.vcpu)];
    if (!test_bit(shared.evtchn_mask, number) && !test_and_set_bit(&vcpu.info->evtchn_pending_sel, number / 64))
        mark_event_pending(vcpu);
    wake_any_poller(port);
}

void EventChannels::unmask_two_level(EvtchnPort port, Channel& target)
{
    abi::shared_info& shared = *domain_.shared_info;
    std::uint64_t const number = port.raw();
    if (!test_and_clear_bit(shared.evtchn_mask, number) || !test_bit(shared.evtchn_pending, number))
        return;
    Vcpu& vcpu = *domain_.vcpus[target.vcpu];
    if (!test_and_set_bit(&vcpu.info->evtchn_pending_sel, number / 64))
        mark_event_pending(vcpu);
}

void EventChannels::clear_pending(EvtchnPort port)
{
    if (fifo_ != nullptr)
        fifo_clear_pending(*fifo_, port, *channel(port));
    else
        (void)test_and_clear_bit(domain_.shared_info->evtchn_pending, port.raw());
}

void EventChannels::deliver(EvtchnPort port, Channel& target)
{
    deliver_inline(port, target);
}

Result<void> EventChannels::send(EvtchnPort port)
{
    HV_REQUIRE(port.raw() < load_acquire(allocated_), Errno::Inval);
    Channel* const near = record(port);
    Guard guard(near->lock);
    EventChannels* receiver = this;
    Channel* end = near;
    if (near->state == ChannelState::Interdomain) [[likely]]
    {
        receiver = near->peer->events;
        port = EvtchnPort{near->number};
        end = receiver->record(port);
    }
    else if (near->state == ChannelState::Unbound)
        return {}; // nobody listens yet
    else if (near->state != ChannelState::Ipi)
        return Errno::Inval;
    receiver->deliver_inline(port, *end);
    return {};
}

Result<void> EventChannels::unmask(EvtchnPort port)
{
    HV_REQUIRE(port.raw() < usable_limit(), Errno::Inval);
    Channel* const target = channel(port);
    if (target == nullptr)
        return {};
    Guard guard(target->lock);
    if (target->state == ChannelState::Closed)
        return {};
    if (FifoState* const fifo = load_acquire(fifo_); fifo != nullptr)
        fifo_unmask(domain_, *fifo, port, *target);
    else
        unmask_two_level(port, *target);
    return {};
}

void EventChannels::raise_virq(Vcpu& vcpu, std::uint32_t virq)
{
    EvtchnPort const port{load_acquire(vcpu.virq_ports[virq])};
    if (port.raw() == 0)
        return;
    Channel& target = *channel(port);
    Guard guard(target.lock);
    if (target.state == ChannelState::Virq && target.number == virq)
        deliver(port, target);
}

void EventChannels::raise_pirq(EvtchnPort port)
{
    Channel* const target = channel(port);
    if (target == nullptr)
        return;
    Guard guard(target->lock);
    if (target->state == ChannelState::Pirq)
        deliver(port, *target);
}

bool EventChannels::pending(EvtchnPort port)
{
    Channel* const asked = channel(port);
    if (asked == nullptr)
        return false;
    Guard guard(asked->lock);
    if (asked->state == ChannelState::Closed)
        return false;
    if (FifoState const* const fifo = load_acquire(fifo_); fifo != nullptr)
        return fifo_is_pending(*fifo, port, *asked);
    return test_bit(domain_.shared_info->evtchn_pending, port.raw());
}

void send_virq(Vcpu& vcpu, std::uint32_t virq)
{
    HV_ASSERT(virq < NR_VIRQS);
    if (EventChannels* const events = vcpu.domain().events; events != nullptr)
        events->raise_virq(vcpu, virq);
}

void send_global_virq(Domain& domain, std::uint32_t virq)
{
    if (Vcpu* const first = domain.vcpu(0); first != nullptr)
        send_virq(*first, virq);
}

void raise_global_virq(std::uint32_t virq)
{
    HV_ASSERT(virq < NR_VIRQS);
    if (std::uint16_t const handler = load_relaxed(virq_handlers[virq]); handler != 0)
        if (DomainRef const domain = find_domain(DomainId{handler}); domain)
        {
            send_global_virq(*domain, virq);
            return;
        }
    if (DomainRef const domain = find_domain(DomainId{0}); domain)
        send_global_virq(*domain, virq);
}

Result<void> set_virq_handler(std::uint32_t virq, Domain& domain)
{
    HV_REQUIRE(virq < NR_VIRQS, Errno::Inval);
    HV_REQUIRE(virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU, Errno::Inval);
    store_relaxed(virq_handlers[virq], domain.id().raw());
    return {};
}

void forget_virq_handler(Domain const& domain)
{
    for (std::uint16_t& handler : virq_handlers)
    {
        std::uint16_t expected = domain.id().raw();
        if (expected != 0)
            (void)compare_exchange(handler, expected, std::uint16_t{0});
    }
}

void send_pirq(Domain& domain, EvtchnPort port)
{
    if (domain.events != nullptr)
        domain.events->raise_pirq(port);
}

} // namespace hv
