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

// The bit of a 2-level event is set and was not: tells its vCPU unless the event is masked. True: the upcall of `vcpu`
// became pending with that.
inline bool EventChannels::mark_vcpu(abi::shared_info const& shared, EvtchnPort port, Vcpu*& vcpu)
{
    std::uint64_t const number = port.raw();
    if (test_bit(shared.evtchn_mask, number))
        return false;
    std::uint16_t const target = load_relaxed(record(port)->vcpu);
    vcpu = domain_.vcpus[target];
    abi::vcpu_info& info = *load_relaxed(vcpu->info);
    return !test_and_set_bit(&info.evtchn_pending_sel, number / 64) &&
           exchange(info.evtchn_upcall_pending, std::uint8_t{1}) == 0;
}

// What most deliveries of 2-level events are, without a call. True: finish_two_level() has to do the rest.
[[gnu::always_inline]] inline bool EventChannels::begin_two_level(EvtchnPort port, Vcpu*& marked)
{
    abi::shared_info& shared = *domain_.shared_info;
    marked = nullptr;
    if (test_and_set_bit(shared.evtchn_pending, port.raw()))
        return false;
    if (load_acquire(fifo_) != nullptr) [[unlikely]]
        return true;
    bool const polled = anybody_polls(); // who polls has announced that, or sees the bit
    if (Vcpu * vcpu; mark_vcpu(shared, port, vcpu))
    {
        marked = vcpu;
        if (wants_kick(*vcpu))
            return true;
    }
    return polled;
}

[[gnu::always_inline]] inline void EventChannels::wake_pollers_in(std::uint32_t word, EvtchnPort port)
{
    for (std::uint64_t rest = load_relaxed(polling_[word]); rest != 0; rest &= rest - 1)
    {
        auto const bit = static_cast<std::uint32_t>(__builtin_ctzll(rest));
        Vcpu& vcpu = *domain_.vcpus[word * 64 + bit];
        // One port is the case of spinning kernels and worth telling apart; others look for themselves.
        if (load_relaxed(vcpu.poll_port_count) == 1 && load_relaxed(vcpu.poll_port) != port.raw())
            continue;
        (void)test_and_clear_bit(&polling_[word], bit);
        vcpu_wake(vcpu);
    }
}

[[gnu::noinline]] void EventChannels::wake_high_pollers(EvtchnPort port)
{
    wake_pollers_in(1, port);
}

inline void EventChannels::wake_pollers_inline(EvtchnPort port)
{
    static_assert(std::tuple_size_v<decltype(polling_)> == 2);
    wake_pollers_in(0, port);
    if (load_relaxed(polling_[1]) != 0) [[unlikely]]
        wake_high_pollers(port);
}

void EventChannels::wake_pollers(EvtchnPort port)
{
    wake_pollers_inline(port);
}

inline void EventChannels::finish_two_level(EvtchnPort port, Vcpu* marked)
{
    // The domain may have gone over to FIFO since the caller looked. It publishes that before it collects these bits, and
    // we set the bit before we look: at least one side moves the event over.
    if (FifoState* const fifo = load_acquire(fifo_); fifo != nullptr && marked == nullptr) [[unlikely]]
        if (test_and_clear_bit(domain_.shared_info->evtchn_pending, port.raw()))
            (void)fifo_set_pending(domain_, *fifo, port, *record(port));
    wake_pollers_inline(port);                    // whichever side moved it
    if (marked != nullptr && wants_kick(*marked)) // unless it polled
        vcpu_kick(*marked);
}

void EventChannels::deliver_fifo(FifoState& fifo, EvtchnPort port)
{
    if (fifo_set_pending(domain_, fifo, port, *record(port)))
        wake_pollers(port);
}

void EventChannels::deliver(EvtchnPort port)
{
    if (FifoState* const fifo = load_acquire(fifo_); fifo != nullptr)
        deliver_fifo(*fifo, port);
    else if (Vcpu * marked; begin_two_level(port, marked))
        finish_two_level(port, marked);
}

// ---- for send(), whose usual way needs no register beyond a call

[[gnu::noinline]] void EventChannels::deliver_and_unlock(EvtchnPort port, SpinLock& held)
{
    deliver(port);
    held.unlock();
}

[[gnu::noinline]] void EventChannels::finish_and_unlock(EvtchnPort port, Vcpu* marked, SpinLock& held)
{
    finish_two_level(port, marked);
    held.unlock();
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

Result<void> EventChannels::send(EvtchnPort port)
{
    HV_REQUIRE(port.raw() < load_acquire(allocated_), Errno::Inval);
    Channel* const near = record(port);
    near->lock.lock();
    if (near->state != ChannelState::Interdomain) [[unlikely]]
        return send_alone(port, *near);
    EventChannels* const receiver = near->peer;
    EvtchnPort const far{near->number};
    if (Vcpu * marked; load_acquire(receiver->fifo_) != nullptr)
        receiver->deliver_and_unlock(far, near->lock);
    else if (receiver->begin_two_level(far, marked)) [[unlikely]]
        receiver->finish_and_unlock(far, marked, near->lock);
    else
        near->lock.unlock();
    return {};
}

// From a port that is not bound to another, whose lock is held and given up.
[[gnu::noinline]] Result<void> EventChannels::send_alone(EvtchnPort port, Channel& near)
{
    ChannelState const state = near.state;
    if (state == ChannelState::Ipi)
    {
        deliver_and_unlock(port, near.lock);
        return {};
    }
    near.lock.unlock();
    HV_REQUIRE(state == ChannelState::Unbound, Errno::Inval); // which nobody listens to yet
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
        deliver(port);
}

void EventChannels::raise_pirq(EvtchnPort port)
{
    Channel* const target = channel(port);
    if (target == nullptr)
        return;
    Guard guard(target->lock);
    if (target->state == ChannelState::Pirq)
        deliver(port);
}

bool EventChannels::pending(EvtchnPort port)
{
    Channel& asked = *record(port);
    if (load_acquire(fifo_) == nullptr)
    {
        // Two loads that the guest could see in this order; no lock makes the answer last longer. Ports beyond the bitmap
        // come with FIFO, which may have come between the loads.
        if (port.raw() < kMaxTwoLevelPorts && load_relaxed(asked.state) != ChannelState::Closed &&
            test_bit(domain_.shared_info->evtchn_pending, port.raw()))
            return true;
        // Were the bit collected for FIFO in between, that would show now: see finish_two_level().
        if (load_acquire(fifo_) == nullptr)
            return false;
    }
    Guard guard(asked.lock); // a port in use keeps the FIFO state
    FifoState const* const fifo = load_acquire(fifo_);
    return asked.state != ChannelState::Closed && fifo != nullptr && fifo_is_pending(*fifo, port, asked);
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
