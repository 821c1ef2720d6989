// SPDX-License-Identifier: MIT
// Units and shares coming and going, what the tools set, and what they read.
#include <core/sched/run_queue.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

#include <config.hpp>

namespace hv
{
namespace
{

using run_queue::RunQueue;

constinit std::uint32_t ratelimit_us = config::kSchedRatelimitUs;
constinit std::uint32_t next_home = 0;

// A new period of a capped domain begins: those who wait for it go back to their queues.
void refill(void* context) HV_NO_THREAD_SAFETY
{
    auto& domain = *static_cast<Domain*>(context);
    DomainShare& share = domain.share;
    share.lock.lock();
    std::int64_t const per_period = share.budget_per_period;
    std::int64_t const budget = load_relaxed(share.budget);
    bool const idle = per_period == 0 || (budget >= per_period && share.parked.empty());
    if (!idle)
    {
        std::int64_t const gain = budget + per_period > per_period ? per_period - budget : per_period;
        fetch_add(share.budget, gain);
        timer_set(share.refill, port::now() + kCapPeriod.raw());
    }
    bool const enough = per_period == 0 || load_relaxed(share.budget) > 0;
    while (enough && !share.parked.empty())
    {
        SchedUnit& unit = *share.parked.front();
        share.lock.unlock(); // the queue's lock comes first; the unit may be taken off the list by others meanwhile
        RunQueue& queue = run_queue::lock_unit(unit);
        bool const waits = unit.parked;
        if (waits)
            run_queue::unpark(unit);
        queue.lock.unlock();
        if (waits)
            run_queue::place(*unit.vcpu);
        share.lock.lock();
    }
    share.lock.unlock();
}

} // namespace

void sched_unit_create(Vcpu& vcpu)
{
    vcpu.sched.vcpu = &vcpu;
    vcpu.sched.share = &vcpu.domain().share;
    vcpu.sched.cpu = CpuId{fetch_add(next_home, 1u) % port::online_cpus()};
    vcpu.sched.queue = &run_queue::queue_of(vcpu.sched.cpu.raw());
    vcpu.time.runstate.state = RUNSTATE_offline;
    vcpu.time.runstate.state_entry_time = port::now().raw();
    vcpu_timers_init(vcpu);
}

void sched_unit_destroy(Vcpu& vcpu) HV_NO_THREAD_SAFETY
{
    RunQueue& queue = run_queue::lock_unit(vcpu.sched); // waits for whoever made its last step on it
    HV_ASSERT(!load_acquire(vcpu.sched.running) && !vcpu.sched.queued && !vcpu.sched.parked);
    queue.lock.unlock();
    vcpu_timers_stop(vcpu);
}

void sched_domain_create(Domain& domain)
{
    domain.share.refill.callback = &refill;
    domain.share.refill.context = &domain;
}

void sched_domain_destroy(Domain& domain)
{
    timer_cancel_sync(domain.share.refill);
    watchdogs_stop(domain);
}

Result<void> sched_set_weight(Domain& domain, std::uint32_t weight)
{
    HV_REQUIRE(weight >= 1 && weight <= kMaxWeight, Errno::Inval);
    domain.sched_weight = weight;
    store_relaxed(domain.share.slowness, (std::uint64_t{kDefaultWeight} << 32) / weight);
    return {};
}

Result<void> sched_set_cap(Domain& domain, std::uint32_t percent)
{
    HV_REQUIRE(percent <= 100 * (domain.max_vcpus != 0 ? domain.max_vcpus : 1), Errno::Inval);
    {
        Guard guard(domain.share.lock);
        domain.sched_cap = percent;
        std::int64_t const budget = static_cast<std::int64_t>(kCapPeriod.raw() / 100 * percent);
        store_relaxed(domain.share.budget_per_period, budget);
        store_relaxed(domain.share.budget, budget);
    }
    timer_set(domain.share.refill, port::now() + kCapPeriod.raw()); // frees those parked under the old cap
    return {};
}

Result<void> sched_set_affinity(Vcpu& vcpu, CpuMask const* hard, CpuMask const* soft) HV_NO_THREAD_SAFETY
{
    // Every CPU that takes part counts, also one that has not yet reached its idle loop.
    std::uint32_t const cpus = port::online_cpus();
    CpuMask const existing{cpus >= 64 ? ~0ull : (1ull << cpus) - 1};
    for (CpuMask const* mask : {hard, soft})
        HV_REQUIRE(mask == nullptr || !(*mask & existing).empty(), Errno::Inval);
    SchedUnit& unit = vcpu.sched;
    RunQueue& queue = run_queue::lock_unit(unit);
    if (hard != nullptr)
        unit.hard = *hard;
    if (soft != nullptr)
        unit.soft = *soft;
    bool const moves = !run_queue::allowed_cpus(unit).test(unit.cpu);
    bool const waits = unit.queued;
    if (moves && waits)
        run_queue::remove(queue, unit);
    if (moves && load_relaxed(unit.running))
        port::request_schedule(unit.cpu);
    queue.lock.unlock();
    if (moves && waits)
        run_queue::place(vcpu);
    return {};
}

Result<void> sched_pin_override(Vcpu& vcpu, std::int32_t cpu)
{
    SchedUnit& unit = vcpu.sched;
    if (cpu < 0)
    {
        HV_REQUIRE(load_relaxed(unit.pinned) >= 0, Errno::Inval);
        store_relaxed(unit.pinned, -1);
        return {};
    }
    HV_REQUIRE(static_cast<std::uint32_t>(cpu) < kMaxCpus &&
                   run_queue::online_cpus().test(CpuId{static_cast<std::uint32_t>(cpu)}),
               Errno::Inval);
    HV_REQUIRE(load_relaxed(unit.pinned) < 0, Errno::Busy);
    store_relaxed(unit.pinned, cpu);
    return sched_set_affinity(vcpu, nullptr, nullptr);
}

std::uint32_t sched_ratelimit_us()
{
    return load_relaxed(ratelimit_us);
}

Result<void> sched_set_ratelimit_us(std::uint32_t microseconds)
{
    HV_REQUIRE(microseconds <= 500000, Errno::Inval);
    store_relaxed(ratelimit_us, microseconds);
    return {};
}

SchedCounts sched_cpu_counts(CpuId cpu)
{
    RunQueue& queue = run_queue::queue_of(cpu.raw());
    Guard guard(queue.lock);
    SchedCounts counts{queue.queued + (queue.current != nullptr ? 1 : 0), queue.idle_nanoseconds};
    if (Nanoseconds const now = port::now(); queue.online && queue.current == nullptr && now > queue.idle_since)
        counts.idle_nanoseconds += now - queue.idle_since;
    return counts;
}

VcpuActivity vcpu_activity(Vcpu const& vcpu)
{
    if (load_acquire(vcpu.sched.running))
        return VcpuActivity::Running;
    if (run_queue::runnable(vcpu))
        return VcpuActivity::Runnable;
    std::uint32_t const reasons = load_relaxed(vcpu.sched.stop);
    return (reasons & stop::kDown) != 0      ? VcpuActivity::Offline
           : (reasons & stop::kBlocked) != 0 ? VcpuActivity::Blocked
                                             : VcpuActivity::Offline;
}

abi::vcpu_runstate_info vcpu_runstate(Vcpu& vcpu) HV_NO_THREAD_SAFETY
{
    RunQueue& queue = run_queue::lock_unit(vcpu.sched);
    abi::vcpu_runstate_info info = vcpu.time.runstate;
    queue.lock.unlock();
    if (std::uint64_t const now = port::now().raw(); now > info.state_entry_time)
        info.time[info.state] += now - info.state_entry_time;
    return info;
}

} // namespace hv
