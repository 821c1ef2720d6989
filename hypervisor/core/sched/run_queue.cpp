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
    RunQueue* queue = &queues[cpu];
    asm("" : "+r"(queue)); // else the compiler finds the place in the array anew for every member
    return *queue;
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

namespace
{

// The unit was moved on while its queue was being locked.
[[gnu::noinline, gnu::cold]] RunQueue& lock_moving_unit(SchedUnit& unit, RunQueue& locked) HV_NO_THREAD_SAFETY
{
    for (RunQueue* queue = &locked;;)
    {
        queue->lock.unlock();
        queue = load_acquire(unit.queue);
        queue->lock.lock();
        if (load_acquire(unit.queue) == queue)
            return *queue;
    }
}

} // namespace

RunQueue& lock_unit(SchedUnit& unit) HV_NO_THREAD_SAFETY
{
    RunQueue& queue = *load_acquire(unit.queue);
    queue.lock.lock();
    return load_acquire(unit.queue) == &queue ? queue : lock_moving_unit(unit, queue);
}

CpuMask allowed_cpus(SchedUnit const& unit)
{
    std::int32_t const pinned = load_relaxed(unit.pinned);
    CpuMask const hard =
        pinned >= 0 ? CpuMask::of(CpuId{static_cast<std::uint32_t>(pinned)}) : unit.hard & online_cpus();
    return hard.empty() ? online_cpus() : hard;
}

namespace
{

[[gnu::noinline]] CpuId choose_of_several(SchedUnit const& unit, std::uint32_t last)
{
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

} // namespace

CpuId choose_cpu(SchedUnit const& unit)
{
    std::uint32_t const last = cpu_of(unit);
    return online.bits() == 1ull << last ? CpuId{last} : choose_of_several(unit, last);
}

void change_queue(RunQueue const& from, SchedUnit& unit, CpuId target)
{
    RunQueue& to = queue_of(target.raw());
    unit.virtual_time += from.offset - load_relaxed(to.offset);
    __atomic_store(&unit.cpu, &target, __ATOMIC_RELAXED);
    store_release(unit.queue, &to); // last: who finds its lock by this sees the rest
}

namespace
{

[[gnu::always_inline]] inline void insert_here(RunQueue& queue, SchedUnit& unit)
{
    // An empty queue's time stood still; it takes over that of its first arrival.
    if (queue.current == nullptr && queue.heap.empty())
        queue.floor = unit.virtual_time;
    queue.heap.insert(unit);
    unit.queued = true;
    store_relaxed(queue.queued, queue.queued + 1);
    store_relaxed(queue.least, queue.heap.first()->virtual_time + queue.offset);
}

} // namespace

void insert(RunQueue& queue, SchedUnit& unit)
{
    insert_here(queue, unit);
}

void remove(RunQueue& queue, SchedUnit& unit)
{
    queue.heap.remove(unit);
    unit.queued = false;
    store_relaxed(queue.queued, queue.queued - 1);
    publish_least(queue);
}

void remove_first(RunQueue& queue)
{
    queue.heap.take_first().queued = false;
    publish_least(queue);
    store_relaxed(queue.queued, queue.queued - 1);
}

// A shot that is still to come before the slice ends finds that it has been prolonged and moves itself on: most slices end
// otherwise, and never need a shot of their own. One that should have come already is not relied upon.
void set_slice_timer(RunQueue& queue, Nanoseconds now)
{
    if (!queue.slice.armed() || queue.slice.deadline < now || queue.slice.deadline > queue.slice_end)
        timer_set(queue.slice, queue.slice_end);
}

void consider_preemption(RunQueue& queue, SchedUnit& unit, Nanoseconds now)
{
    CpuId const cpu{cpu_of(unit)};
    SchedUnit* const running = queue.current;
    if (running == nullptr)
    {
        set_idle(cpu, false); // the next to wake looks elsewhere
        port::request_schedule(cpu);
        return;
    }
    if (unit.virtual_time >= running->virtual_time) // else the time since is charged when it makes way
        charge(queue, *running, now);
    bool const goes_first = unit.virtual_time < running->virtual_time;
    Nanoseconds const earliest = queue.picked_at + sched_ratelimit_us() * 1000ull;
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
        set_slice_timer(queue, now);
    else
        port::request_schedule(cpu); // only that CPU can set its timer; its choice does
}

void arm_slice_for_rivals(RunQueue& queue, Nanoseconds now)
{
    SchedUnit const* const running = queue.current;
    DomainShare& share = *running->share;
    bool const capped = load_relaxed(share.budget_per_period) != 0;
    constexpr std::uint64_t kLongest = config::kSchedSliceUs * 1000ull;
    std::uint64_t slice = queue.queued == 0 ? kLongest : 2 * kLongest / (queue.queued + 1);
    slice = slice < kMinSlice ? kMinSlice : slice;
    slice = slice > kLongest ? kLongest : slice;
    if (std::int64_t const budget = load_relaxed(share.budget); capped && budget > 0)
        slice = slice < static_cast<std::uint64_t>(budget) ? slice : static_cast<std::uint64_t>(budget);
    queue.slice_end = now + slice;
    set_slice_timer(queue, now);
}

void enqueue(RunQueue& queue, SchedUnit& unit, Nanoseconds now)
{
    // Nothing interrupts one that is alone: it may have run for hours since the last choice.
    if (queue.current != nullptr && queue.heap.empty())
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
    insert_here(queue, unit);
    consider_preemption(queue, unit, now);
}

void place(Vcpu& vcpu) HV_NO_THREAD_SAFETY
{
    SchedUnit& unit = vcpu.sched;
    auto const waits_nowhere = [&] {
        int const somewhere = int{load_relaxed(unit.running)} | int{unit.queued} | int{unit.parked};
        return runnable(vcpu) && somewhere == 0;
    };
    RunQueue* queue = &lock_unit(unit);
    bool nowhere = waits_nowhere();
    if (CpuId target; nowhere && (target = choose_cpu(unit)) != unit.cpu) [[unlikely]]
    {
        change_queue(*queue, unit, target);
        queue->lock.unlock();
        queue = &lock_unit(unit); // the unit may have been moved on meanwhile, or placed
        nowhere = waits_nowhere();
    }
    if (nowhere)
        enqueue(*queue, unit, port::now());
    queue->lock.unlock();
}

bool park(SchedUnit& unit)
{
    DomainShare& share = *unit.share;
    Guard guard(share.lock);
    if (!over_cap(unit))
        return false;
    share.parked.push_back(unit);
    unit.parked = true;
    if (!share.refill.armed())
        timer_set(share.refill, port::now() + kCapPeriod.raw());
    return true;
}

void unpark(SchedUnit& unit)
{
    DomainShare& share = *unit.share;
    Guard guard(share.lock);
    decltype(share.parked)::remove(unit);
    unit.parked = false;
}

void start_cap_period(Domain& domain, Nanoseconds now)
{
    if (!domain.share.refill.armed())
        timer_set(domain.share.refill, now + kCapPeriod.raw());
}

} // namespace hv::run_queue
