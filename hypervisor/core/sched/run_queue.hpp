// SPDX-License-Identifier: MIT
// The scheduler's inside: one queue per CPU, and the steps that the calls in scheduler.hpp are made of.
#pragma once

#include <core/domain/domain.hpp>
#include <core/sched/unit.hpp>
#include <core/time/leftist_heap.hpp>
#include <core/time/timer.hpp>
#include <lib/spinlock.hpp>

#include <cstdint>

namespace hv::run_queue
{

// All in nanoseconds of virtual time at the default weight, or real ones where that is said.
inline constexpr std::int64_t kWakeCredit = 5'000'000; // lead of a vCPU that wakes over the queue's present time
inline constexpr std::int64_t kMaxLag = 50'000'000;    // how far behind or ahead one may be when it changes queues
inline constexpr std::int64_t kImbalance = 5'000'000;  // difference between queues that moves a vCPU
inline constexpr std::int64_t kNobody = INT64_MAX;     // `least` of an empty queue
inline constexpr std::uint64_t kMinSlice = 1'000'000;  // real

struct LessServed
{
    static bool before(SchedUnit const& a, SchedUnit const& b) { return a.virtual_time < b.virtual_time; }
};

// Queues keep time by their own reckoning; `offset` takes it to the common one, in which they are compared. Where queues
// drift apart for good, because vCPUs are pinned, the offset is moved and with it the whole queue: history of more than
// kMaxLag is forgiven.
struct alignas(64) RunQueue
{
    SpinLock lock{LockRank::RunQueue};
    LeftistHeap<SchedUnit, LessServed> heap;
    SchedUnit* current = nullptr; // picked here; nullptr: idle
    std::int64_t floor = 0;       // the queue's present virtual time
    std::int64_t offset = 0;      // + own reckoning = common reckoning
    Nanoseconds picked_at{};      // when `current` was switched to
    Nanoseconds slice_end{};      // when it has to make way; 0: nobody waits
    Nanoseconds idle_since{};
    std::uint64_t idle_nanoseconds = 0;
    bool online = false;

    // Read by other CPUs without the lock; times in the common reckoning.
    std::uint32_t queued = 0;      // units on the heap
    std::int64_t least = kNobody;  // virtual time of the first on the heap
    std::int64_t current_time = 0; // of the running one, at `current_since`
    Nanoseconds current_since{};
    bool rebalance = false; // compare with other queues at the next choice

    Timer slice;
};

RunQueue& queue_of(std::uint32_t cpu);
// Makes `unit`, which is on no heap, one of another queue. The lock of its present queue is held.
void change_queue(RunQueue const& from, SchedUnit& unit, CpuId target);
inline void publish_least(RunQueue& queue)
{
    store_relaxed(queue.least, queue.heap.empty() ? kNobody : queue.heap.first()->virtual_time + queue.offset);
}
CpuMask online_cpus();
CpuMask idle_cpus();
void set_idle(CpuId cpu, bool idle);
void set_online(CpuId cpu);

// Locks the queue that the unit belongs to.
RunQueue& lock_unit(SchedUnit& unit) HV_NO_THREAD_SAFETY;
inline std::uint32_t cpu_of(SchedUnit const& unit)
{
    CpuId cpu;
    __atomic_load(&unit.cpu, &cpu, __ATOMIC_RELAXED);
    return cpu.raw();
}

// Nothing stops the vCPU.
inline bool runnable(SchedUnit const& unit, Domain const& domain)
{
    return load_acquire(unit.stop) == 0 && load_acquire(domain.controller_pause_count) == 0 &&
           load_acquire(domain.system_pause_count) == 0;
}
inline bool runnable(SchedUnit const& unit)
{
    return runnable(unit, unit.vcpu->domain());
}
inline bool runnable(Vcpu const& vcpu)
{
    return runnable(vcpu.sched, vcpu.domain());
}
// The CPUs it may run on; empty only while none is online.
CpuMask allowed_cpus(SchedUnit const& unit);
// The same question of one CPU that is online.
inline bool may_run_on(SchedUnit const& unit, CpuId cpu)
{
    return (load_relaxed(unit.pinned) < 0 && unit.hard.test(cpu)) || allowed_cpus(unit).test(cpu);
}
// The queue for a unit that waits nowhere: its last CPU when that is idle, another idle one, else its last.
CpuId choose_cpu(SchedUnit const& unit);
// RUNSTATE_blocked or RUNSTATE_offline for one that something stops, else RUNSTATE_runnable.
inline int waiting_state(SchedUnit const& unit)
{
    if ((load_relaxed(unit.stop) & stop::kBlocked) != 0)
        return RUNSTATE_blocked;
    return runnable(unit) ? RUNSTATE_runnable : RUNSTATE_offline;
}

inline bool capped(SchedUnit const& unit)
{
    return load_relaxed(unit.share->budget_per_period) != 0;
}
inline bool over_cap(SchedUnit const& unit)
{
    return capped(unit) && load_relaxed(unit.share->budget) <= 0;
}

// ---- with the queue's lock held
void insert(RunQueue& queue, SchedUnit& unit);
void remove(RunQueue& queue, SchedUnit& unit);
void remove_first(RunQueue& queue);
// Inserts a unit that comes from elsewhere: bounds its lead and its lag, and sees whether it runs at once.
void enqueue(RunQueue& queue, SchedUnit& unit, Nanoseconds now);
// Accounts the running unit's time up to `now` to its virtual time and its domain's cap.
inline void charge(RunQueue& queue, SchedUnit& unit, Nanoseconds now)
{
    if (now <= unit.charged_until)
        return;
    std::uint64_t const elapsed = now - unit.charged_until;
    unit.charged_until = now;
    DomainShare& share = *unit.share;
    auto const scaled = (static_cast<unsigned __int128>(elapsed) * load_relaxed(share.slowness)) >> 32;
    unit.virtual_time += static_cast<std::int64_t>(scaled);
    if (load_relaxed(share.budget_per_period) != 0)
        fetch_sub(share.budget, static_cast<std::int64_t>(elapsed));
    store_relaxed(queue.current_time, unit.virtual_time + queue.offset);
    __atomic_store(&queue.current_since, &now, __ATOMIC_RELAXED);
}
// Brings the queue's present up to the least served of `running` and those that wait.
inline void advance_floor(RunQueue& queue, SchedUnit const& running)
{
    SchedUnit const* const waiting = queue.heap.first();
    bool const other = waiting != nullptr && waiting->virtual_time < running.virtual_time;
    std::int64_t const present = other ? waiting->virtual_time : running.virtual_time;
    if (present > queue.floor)
        queue.floor = present;
}
// Makes the CPU choose again if `unit`, just inserted, should run before its current one.
void consider_preemption(RunQueue& queue, SchedUnit& unit, Nanoseconds now);
// Makes the slice timer go off at slice_end or before. This CPU's queue.
void set_slice_timer(RunQueue& queue, Nanoseconds now);
// Sets the time at which the current unit has to make way, and the timer for it on this CPU.
void arm_slice_for_rivals(RunQueue& queue, Nanoseconds now); // somebody waits, or the domain has a cap
inline void arm_slice(RunQueue& queue, bool current_capped, Nanoseconds now)
{
    if (queue.queued == 0 && !current_capped)
        queue.slice_end = Nanoseconds{0};
    else
        arm_slice_for_rivals(queue, now);
}

// Puts a runnable unit that is nowhere on the best queue. Takes locks; does nothing when another state was reached.
void place(Vcpu& vcpu) HV_NO_THREAD_SAFETY;

// ---- caps
// The unit's domain has used up its budget: leaves it to the refill. False when there is budget again. Queue lock held.
bool park(SchedUnit& unit);
void unpark(SchedUnit& unit);                           // queue lock held, unit parked
void start_cap_period(Domain& domain, Nanoseconds now); // a vCPU of this domain with a cap has been picked

} // namespace hv::run_queue
