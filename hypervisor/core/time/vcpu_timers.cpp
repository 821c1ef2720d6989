// SPDX-License-Identifier: MIT
// The timers of a vCPU: one-shot, periodic and poll timeout.
#include <core/evtchn/event_channels.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

// A deadline this far ahead, or negative, is a guest's mistake or its word for "never" in an old time base: it is
// answered with an early interrupt, since none at all would stall the guest.
inline constexpr std::uint64_t kAbsurdlyFar = 1ull << 50; // 13 days
inline constexpr std::uint64_t kCheckBack = 100'000'000;

Nanoseconds clamp_deadline(std::uint64_t deadline, Nanoseconds now)
{
    if (deadline > now.raw() && deadline - now.raw() > kAbsurdlyFar)
        return now + kCheckBack;
    return Nanoseconds{deadline};
}

void singleshot_expired(void* context)
{
    send_virq(*static_cast<Vcpu*>(context), VIRQ_TIMER);
}

void periodic_expired(void* context)
{
    auto& vcpu = *static_cast<Vcpu*>(context);
    std::uint64_t const period = load_relaxed(vcpu.time.period);
    if (period == 0)
        return;
    send_virq(vcpu, VIRQ_TIMER);
    Nanoseconds const now = port::now();
    Nanoseconds next = vcpu.time.periodic.deadline + period;
    if (next <= now)
        next = now + period; // ticks that nobody saw are not made up for
    timer_set(vcpu.time.periodic, next);
}

void poll_expired(void* context)
{
    vcpu_wake(*static_cast<Vcpu*>(context));
}

void prepare(Timer& timer, Timer::Callback callback, Vcpu& vcpu)
{
    timer.callback = callback;
    timer.context = &vcpu;
}

} // namespace

void vcpu_timers_init(Vcpu& vcpu)
{
    prepare(vcpu.time.singleshot, &singleshot_expired, vcpu);
    prepare(vcpu.time.periodic, &periodic_expired, vcpu);
    prepare(vcpu.time.poll, &poll_expired, vcpu);
}

void vcpu_timers_stop(Vcpu& vcpu)
{
    store_relaxed(vcpu.time.period, 0);
    for (Timer* timer : {&vcpu.time.singleshot, &vcpu.time.periodic, &vcpu.time.poll})
        timer_cancel_sync(*timer);
}

void vcpu_set_singleshot(Vcpu& vcpu, std::uint64_t deadline)
{
    Nanoseconds const now = port::now();
    Nanoseconds const due = clamp_deadline(deadline, now);
    if (due > now)
    {
        timer_set(vcpu.time.singleshot, due);
        return;
    }
    timer_cancel(vcpu.time.singleshot);
    send_virq(vcpu, VIRQ_TIMER);
}

void vcpu_stop_singleshot(Vcpu& vcpu)
{
    timer_cancel(vcpu.time.singleshot);
}

void vcpu_set_periodic(Vcpu& vcpu, std::uint64_t period)
{
    store_relaxed(vcpu.time.period, period);
    timer_cancel_sync(vcpu.time.periodic);
    if (period != 0)
        timer_set(vcpu.time.periodic, port::now() + period);
}

} // namespace hv
