// SPDX-License-Identifier: MIT
// The run queues: where a vCPU waits, what its run costs it, and when it may push another aside.
#include <core/sched/run_queue.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

#include <config.hpp>

namespace hv::run_queue
{
namespace
{

constinit RunQueue queues[kMaxCpus];
constinit CpuMask online;
constinit CpuMask idle;

// `first` in turn after `cpu`, so that idle CPUs are used evenly.
CpuId next_in(CpuMask mask, std::uint32_t cpu)
{
    CpuMask const later{mask.bits() & ~((2ull << cpu) - 1)};
    return later.empty() ? mask.first() : later.first();
}

CpuId least_loaded(CpuMask mask)
{
    CpuId best = mask.first();
    mask.for_each([&](CpuId cpu) {
        if (load_relaxed(queue_of(cpu.raw()).queued) < load_relaxed(queue_of(best.raw()).queued))
            best = cpu;
    });
    return best;
}

} // namespace

RunQueue& queue_of(std::uint32_t cpu)
{
    return queues[cpu];
}

CpuMask online_cpus()
{
    return CpuMask{online.bits()};
}

CpuMask idle_cpus()
{
    return CpuMask{idle.bits()};
}

void set_idle(CpuId cpu, bool is_idle)
{
    if (idle.test(cpu) == is_idle)
        return;
    if (is_idle)
        idle.set(cpu);
    else
        idle.clear(cpu);
}

void set_online(CpuId cpu)
{
    online.set(cpu);
}

RunQueue& lock_unit(SchedUnit& unit) HV_NO_THREAD_SAFETY
{
    while (true)
    {
        std::uint32_t const cpu = cpu_of(unit);
        queues[cpu].lock.lock();
        if (cpu_of(unit) == cpu)
            return queues[cpu];
        queues[cpu].lock.unlock();
    }
}

bool runnable(Vcpu const& vcpu)
{
    Domain const& domain = vcpu.domain();
    return load_acquire(vcpu.sched.stop) == 0 && load_acquire(domain.controller_pause_count) == 0 &&
           load_acquire(domain.system_pause_count) == 0;
}

CpuMask allowed_cpus(SchedUnit const& unit)
{
    std::int32_t const pinned = load_relaxed(unit.pinned);
    CpuMask const hard =
        pinned >= 0 ? CpuMask::of(CpuId{static_cast<std::uint32_t>(pinned)}) : unit.hard & online_cpus();
    return hard.empty() ? online_cpus() : hard;
}

CpuId choose_cpu(SchedUnit const& unit)
{
    std::uint32_t const last = cpu_of(unit);
    if (online.bits() == 1ull << last) // there is no other
        return CpuId{last};
    CpuMask const allowed = allowed_cpus(unit);
    if (allowed.empty())
        return CpuId{last}; // before the first CPU is online: it will find the unit on its queue
    CpuMask const soft = allowed & unit.soft;
    CpuMask const preferred = soft.empty() ? allowed : soft;
    for (CpuMask const mask : {preferred & idle_cpus(), allowed & idle_cpus()})
        if (!mask.empty())
            return mask.test(CpuId{last}) ? CpuId{last} : next_in(mask, last);
    return preferred.test(CpuId{last}) ? CpuId{last} : least_loaded(preferred);
}

int stopped_state(SchedUnit const& unit)
{
    return (load_relaxed(unit.stop) & stop::kBlocked) != 0 ? RUNSTATE_blocked : RUNSTATE_offline;
}

void publish_least(RunQueue& queue)
{
    store_relaxed(queue.least, queue.heap.empty() ? kNobody : queue.heap.first()->virtual_time + queue.offset);
}

void change_queue(RunQueue const& from, SchedUnit& unit, CpuId target)
{
    unit.virtual_time += from.offset - load_relaxed(queues[target.raw()].offset);
    __atomic_store(&unit.cpu, &target, __ATOMIC_RELAXED);
}

void insert(RunQueue& queue, SchedUnit& unit)
{
    // An empty queue's time stood still; it takes over that of its first arrival.
    if (queue.current == nullptr && queue.heap.empty())
        queue.floor = unit.virtual_time;
    queue.heap.insert(unit);
    unit.queued = true;
    store_relaxed(queue.queued, queue.queued + 1);
    publish_least(queue);
}

void remove(RunQueue& queue, SchedUnit& unit)
{
    queue.heap.remove(unit);
    unit.queued = false;
    store_relaxed(queue.queued, queue.queued - 1);
    publish_least(queue);
}

void charge(RunQueue& queue, SchedUnit& unit, Nanoseconds now)
{
    if (now <= unit.charged_until)
        return;
    std::uint64_t const elapsed = now - unit.charged_until;
    unit.charged_until = now;
    DomainShare& share = unit.vcpu->domain().share;
    auto const scaled = (static_cast<unsigned __int128>(elapsed) * load_relaxed(share.slowness)) >> 32;
    unit.virtual_time += static_cast<std::int64_t>(scaled);
    if (load_relaxed(share.budget_per_period) != 0)
        fetch_sub(share.budget, static_cast<std::int64_t>(elapsed));
    store_relaxed(queue.current_time, unit.virtual_time + queue.offset);
    __atomic_store(&queue.current_since, &now, __ATOMIC_RELAXED);
}

void consider_preemption(RunQueue& queue, SchedUnit& unit, Nanoseconds now)
{
    CpuId const cpu{static_cast<std::uint32_t>(&queue - queues)};
    SchedUnit* const running = queue.current;
    if (running == nullptr)
    {
        set_idle(cpu, false); // the next to wake looks elsewhere
        port::request_schedule(cpu);
        return;
    }
    charge(queue, *running, now);
    Nanoseconds const earliest = queue.picked_at + sched_ratelimit_us() * 1000ull;
    bool const goes_first = unit.virtual_time < running->virtual_time;
    if (goes_first && earliest <= now)
    {
        port::request_schedule(cpu);
        return;
    }
    Nanoseconds const longest = queue.picked_at + config::kSchedSliceUs * 1000ull;
    Nanoseconds const due = goes_first ? earliest : longest;
    if (queue.slice_end.raw() != 0 && queue.slice_end <= due)
        return;
    queue.slice_end = due > now ? due : now;
    if (cpu == port::cpu_id())
        timer_set(queue.slice, queue.slice_end);
    else
        port::request_schedule(cpu); // only that CPU can set its timer; its choice does
}

void arm_slice(RunQueue& queue, Nanoseconds now)
{
    SchedUnit const* const running = queue.current;
    DomainShare& share = running->vcpu->domain().share;
    bool const capped = load_relaxed(share.budget_per_period) != 0;
    if (queue.queued == 0 && !capped)
    {
        queue.slice_end = Nanoseconds{0};
        return;
    }
    constexpr std::uint64_t kLongest = config::kSchedSliceUs * 1000ull;
    std::uint64_t slice = queue.queued == 0 ? kLongest : 2 * kLongest / (queue.queued + 1);
    slice = slice < kMinSlice ? kMinSlice : slice;
    slice = slice > kLongest ? kLongest : slice;
    if (std::int64_t const budget = load_relaxed(share.budget); capped && budget > 0)
        slice = slice < static_cast<std::uint64_t>(budget) ? slice : static_cast<std::uint64_t>(budget);
    queue.slice_end = now + slice;
    // A shot that is due earlier finds that the slice has been prolonged and moves itself on.
    if (!queue.slice.armed() || queue.slice.deadline > queue.slice_end)
        timer_set(queue.slice, queue.slice_end);
}

void enqueue(RunQueue& queue, SchedUnit& unit, Nanoseconds now)
{
    if (queue.current !=
        nullptr) // nothing interrupts one that is alone: it may have run for hours since the last choice
    {
        charge(queue, *queue.current, now);
        advance_floor(queue, *queue.current);
    }
    std::int64_t const least = queue.floor - kWakeCredit;
    bool const empty = queue.current == nullptr && queue.heap.empty();
    if (unit.virtual_time < least)
        unit.virtual_time = least;
    else if (!empty && unit.virtual_time > queue.floor + kMaxLag)
        unit.virtual_time = queue.floor + kMaxLag;
    if (unit.vcpu->time.runstate.state != RUNSTATE_runnable)
        vcpu_runstate_change(*unit.vcpu, RUNSTATE_runnable, now);
    insert(queue, unit);
    consider_preemption(queue, unit, now);
}

void place(Vcpu& vcpu) HV_NO_THREAD_SAFETY
{
    SchedUnit& unit = vcpu.sched;
    for (bool chosen = false;; chosen = true)
    {
        RunQueue& queue = lock_unit(unit);
        if (!runnable(vcpu) || load_relaxed(unit.running) || unit.queued || unit.parked)
        {
            queue.lock.unlock();
            return;
        }
        if (CpuId target = choose_cpu(unit); !chosen && target.raw() != cpu_of(unit))
        {
            change_queue(queue, unit, target);
            queue.lock.unlock();
            continue;
        }
        enqueue(queue, unit, port::now());
        queue.lock.unlock();
        return;
    }
}

bool over_cap(Vcpu const& vcpu)
{
    DomainShare const& share = vcpu.domain().share;
    return load_relaxed(share.budget_per_period) != 0 && load_relaxed(share.budget) <= 0;
}

bool park(SchedUnit& unit)
{
    DomainShare& share = unit.vcpu->domain().share;
    Guard guard(share.lock);
    if (!over_cap(*unit.vcpu))
        return false;
    share.parked.push_back(unit);
    unit.parked = true;
    if (!share.refill.armed())
        timer_set(share.refill, port::now() + kCapPeriod.raw());
    return true;
}

void unpark(SchedUnit& unit)
{
    DomainShare& share = unit.vcpu->domain().share;
    Guard guard(share.lock);
    decltype(share.parked)::remove(unit);
    unit.parked = false;
}

void start_cap_period(Domain& domain, Nanoseconds now)
{
    if (load_relaxed(domain.share.budget_per_period) != 0 && !domain.share.refill.armed())
        timer_set(domain.share.refill, now + kCapPeriod.raw());
}

} // namespace hv::run_queue
