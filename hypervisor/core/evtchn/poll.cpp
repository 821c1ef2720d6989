// SPDX-License-Identifier: MIT
// SCHEDOP_poll: sleeping until one of some ports becomes pending, masked or not.
#include <core/evtchn/event_channels.hpp>
#include <core/sched/scheduler.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{

void EventChannels::poll_begin(Vcpu& vcpu)
{
    (void)test_and_set_bit(polling_.data(), vcpu.id().raw()); // full barrier
}

void EventChannels::poll_end(Vcpu& vcpu)
{
    (void)test_and_clear_bit(polling_.data(), vcpu.id().raw());
}

Result<void> vcpu_poll(Vcpu& vcpu, std::span<std::uint32_t const> ports, std::uint64_t timeout)
{
    EventChannels& events = *vcpu.domain().events;
    for (std::uint32_t const port : ports)
        HV_REQUIRE(events.usable(EvtchnPort{port}), Errno::Inval);
    if (vcpu.time.poll.armed())
        timer_cancel(vcpu.time.poll); // of an earlier poll that an event ended
    if (ports.size() == 1)
        store_relaxed(vcpu.poll_port, ports[0]);
    store_relaxed(vcpu.poll_port_count, ports.size());
    fetch_or(vcpu.sched.stop, stop::kBlocked);
    events.poll_begin(vcpu);

    bool ready = event_pending(vcpu);
    for (std::uint32_t const port : ports)
        ready = ready || events.pending(EvtchnPort{port});
    ready = ready || (timeout != 0 && port::now().raw() >= timeout);
    if (ready)
    {
        events.poll_end(vcpu);
        fetch_and(vcpu.sched.stop, ~stop::kBlocked);
        return {};
    }
    if (timeout != 0)
        timer_set(vcpu.time.poll, Nanoseconds{timeout});
    port::request_own_schedule();
    return {};
}

} // namespace hv
