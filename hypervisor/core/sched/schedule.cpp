// SPDX-License-Identifier: MIT
// The choice: who runs on this CPU next, slices, and taking over work from other queues.
#include <core/domain/lifecycle.hpp>
#include <core/sched/run_queue.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

using namespace run_queue;

inline constexpr unsigned kStealVisits = 8; // waiting units looked at per queue
inline constexpr unsigned kStealRounds = 4; // tries when a queue is in use

// The least served unit waiting on `victim` that may run on `cpu`. Its lock is held. Looks near the root of the heap only.
SchedUnit* stealable(RunQueue& victim, CpuId cpu)
{
    SchedUnit* candidates[kStealVisits] = {victim.heap.first()};
    SchedUnit* best = nullptr;
    unsigned count = 1;
    for (unsigned index = 0; index < count; ++index)
    {
        SchedUnit* const unit = candidates[index];
        if (unit == nullptr || (best != nullptr && !LessServed::before(*unit, *best)))
            continue;
        if (may_run_on(*unit, cpu))
        {
            best = unit;
            continue;
        }
        for (SchedUnit* const child : {unit->heap_left, unit->heap_right})
            if (child != nullptr && count < kStealVisits)
                candidates[count++] = child;
    }
    return best;
}

// The queue, other than that of `cpu`, whose first is the least served, if it is below `limit`.
RunQueue* find_victim(CpuId cpu, std::int64_t limit)
{
    RunQueue* victim = nullptr;
    online_cpus().for_each([&](CpuId other) {
        RunQueue& candidate = queue_of(other.raw());
        if (std::int64_t const first = load_relaxed(candidate.least); other != cpu && first < limit)
        {
            victim = &candidate;
            limit = first;
        }
    });
    return victim;
}

// Moves the most deserving unit that waits elsewhere with a virtual time below `limit` to `queue`, whose lock is held.
// Others' locks are only tried, so that no order between queues is needed; true means one was in use.
bool steal(RunQueue& queue, CpuId cpu, std::int64_t limit) HV_NO_THREAD_SAFETY
{
    RunQueue* const victim = find_victim(cpu, limit);
    if (victim == nullptr)
        return false;
    if (!victim->lock.try_lock())
        return true;
    if (limit != kNobody && load_relaxed(victim->least) < limit - kMaxLag)
    {
        // They did not drift this far by accident: what waits there may not run here.
        store_relaxed(victim->offset, victim->offset + limit - load_relaxed(victim->least));
        publish_least(*victim);
    }
    else if (SchedUnit* const unit = stealable(*victim, cpu);
             unit != nullptr && (limit == kNobody || unit->virtual_time + victim->offset < limit))
    {
        remove(*victim, *unit);
        change_queue(*victim, *unit, cpu);
        if (unit->virtual_time < queue.floor - kMaxLag)
            unit->virtual_time = queue.floor - kMaxLag;
        insert(queue, *unit);
    }
    victim->lock.unlock();
    return false;
}

// Before this CPU goes idle: any work that waits elsewhere will do.
void steal_anything(RunQueue& queue, CpuId cpu) HV_NO_THREAD_SAFETY
{
    for (unsigned round = 0; round < kStealRounds && queue.heap.empty(); ++round)
    {
        if (!steal(queue, cpu, kNobody))
            return;
        queue.lock.unlock();
        spin_wait();
        queue.lock.lock();
    }
}

[[gnu::noinline]] SchedUnit* park_until_within_cap(RunQueue& queue)
{
    while (SchedUnit* const unit = queue.heap.first())
    {
        if (!over_cap(*unit))
            return unit;
        remove(queue, *unit);
        if (!park(*unit))
            insert(queue, *unit);
    }
    return nullptr;
}

// The best unit on the queue that its domain's cap lets run; others are parked on the way.
inline SchedUnit* first_within_cap(RunQueue& queue)
{
    SchedUnit* const first = queue.heap.first();
    return first == nullptr || !over_cap(*first) ? first : park_until_within_cap(queue);
}

[[gnu::noinline]] bool outdoes(RunQueue const& queue, SchedUnit& unit, bool yielded, SchedUnit const* rival,
                               Nanoseconds now)
{
    if (rival == nullptr)
        return true;
    if (yielded)
    {
        if (unit.virtual_time < rival->virtual_time)
            unit.virtual_time = rival->virtual_time; // it gives up its lead
        return false;
    }
    return unit.virtual_time <= rival->virtual_time || now < queue.picked_at + sched_ratelimit_us() * 1000ull;
}

// Whether the current unit goes on, with `rival` the best that waits.
inline bool keeps_cpu(RunQueue const& queue, CpuId cpu, SchedUnit& unit, SchedUnit const* rival, Nanoseconds now)
{
    bool const yielded = unit.yielded;
    unit.yielded = false;
    return runnable(unit) && !over_cap(unit) && may_run_on(unit, cpu) && outdoes(queue, unit, yielded, rival, now);
}

// After keeps_cpu() said yes: how long this time.
void prolong(RunQueue& queue, Nanoseconds now)
{
    advance_floor(queue, *queue.current);
    arm_slice(queue, capped(*queue.current), now);
    Nanoseconds const protected_until = queue.picked_at + sched_ratelimit_us() * 1000ull;
    if (queue.heap.empty() || queue.heap.first()->virtual_time >= queue.current->virtual_time ||
        queue.slice_end <= protected_until)
        return;
    queue.slice_end = protected_until; // somebody is due as soon as the shortest run is over
    set_slice_timer(queue, now);
}

// Makes `next` (the first that waits; nullptr: idle) the one that runs here; `previous` stops.
void switch_to(RunQueue& queue, CpuId cpu, SchedUnit* previous, SchedUnit* next, Nanoseconds now)
{
    if (previous != nullptr)
        vcpu_runstate_change(*previous->vcpu, waiting_state(*previous), now);
    else if (next != nullptr)
    {
        queue.idle_nanoseconds += now - queue.idle_since;
        set_idle(cpu, false);
    }
    queue.current = next;
    if (next == nullptr)
    {
        if (previous != nullptr)
            queue.idle_since = now;
        queue.slice_end = Nanoseconds{0};
        set_idle(cpu, true);
        return;
    }
    remove_first(queue);
    exchange(next->running,
             true); // before the look at its events; who sends one looks here after it (needs the barrier)
    ++next->schedules;
    next->charged_until = now;
    queue.picked_at = now;
    store_relaxed(queue.current_time, next->virtual_time + queue.offset);
    __atomic_store(&queue.current_since, &now, __ATOMIC_RELAXED);
    vcpu_runstate_change(*next->vcpu, RUNSTATE_running, now);
}

// `other`, where nobody waits, may run somebody who is further behind `least` than by kMaxLag: what was, before the two
// queues met, is forgiven. Else that one had its CPU alone until it had caught up with history, be it of days.
void forgive(RunQueue& other, std::int64_t least, Nanoseconds now) HV_NO_THREAD_SAFETY
{
    if (!other.lock.try_lock())
        return;
    if (other.current != nullptr && other.heap.empty())
    {
        charge(other, *other.current, now);
        if (std::int64_t const lag = least - other.current_time; lag > kMaxLag)
        {
            store_relaxed(other.offset, other.offset + lag);
            store_relaxed(other.current_time, least);
        }
    }
    other.lock.unlock();
}

// Invites CPUs that run somebody better served, or nobody, to look at this queue. Lock held.
void invite_others(RunQueue& queue, CpuId cpu, Nanoseconds now)
{
    std::int64_t const least = load_relaxed(queue.least);
    if (least == kNobody)
        return;
    online_cpus().for_each([&](CpuId other) {
        RunQueue& candidate = queue_of(other.raw());
        if (other == cpu || load_relaxed(candidate.rebalance))
            return;
        Nanoseconds since;
        __atomic_load(&candidate.current_since, &since, __ATOMIC_RELAXED);
        auto const running = static_cast<std::int64_t>(now > since ? now - since : 0);
        std::int64_t const ahead = load_relaxed(candidate.current_time) + running;
        if (!idle_cpus().test(other) && ahead <= least + kImbalance)
        {
            if (ahead < least - kMaxLag && load_relaxed(candidate.queued) == 0)
                forgive(candidate, least, now);
            return;
        }
        store_relaxed(candidate.rebalance, true);
        port::request_schedule(other);
    });
}

// The slice timer: the current unit's time is up, unless it was prolonged or nobody waits any more.
void slice_expired(void* context)
{
    auto& queue = *static_cast<RunQueue*>(context);
    CpuId const cpu = port::cpu_id();
    Guard guard(queue.lock);
    Nanoseconds const now = port::now();
    if (queue.slice_end.raw() == 0)
        return;
    if (queue.slice_end > now)
    {
        timer_set(queue.slice, queue.slice_end);
        return;
    }
    invite_others(queue, cpu, now);
    store_relaxed(queue.rebalance, true);
    port::request_schedule(cpu);
}

} // namespace

Vcpu* schedule(CpuId cpu) HV_NO_THREAD_SAFETY
{
    RunQueue& queue = queue_of(cpu.raw());
    queue.lock.lock();
    Nanoseconds const now = port::now();
    SchedUnit* const previous = queue.current;
    if (previous != nullptr)
        charge(queue, *previous, now);
    if (load_relaxed(queue.rebalance))
    {
        store_relaxed(queue.rebalance, false);
        std::int64_t best = load_relaxed(queue.least);
        if (previous != nullptr && runnable(*previous) && previous->virtual_time + queue.offset < best)
            best = previous->virtual_time + queue.offset;
        if (best != kNobody)
            (void)steal(queue, cpu, best - kImbalance);
    }

    SchedUnit* next = first_within_cap(queue);
    bool keeps = previous != nullptr && keeps_cpu(queue, cpu, *previous, next, now);
    if (!keeps && next == nullptr)
    {
        steal_anything(queue, cpu);
        next = first_within_cap(queue);
        // It may have been woken while the lock was let go.
        keeps = next == nullptr && previous != nullptr && keeps_cpu(queue, cpu, *previous, nullptr, now);
    }
    if (keeps)
    {
        prolong(queue, now);
        queue.lock.unlock();
        return previous->vcpu;
    }
    switch_to(queue, cpu, previous, next, now);
    if (next != nullptr)
    {
        advance_floor(queue, *next);
        bool const next_capped = capped(*next);
        arm_slice(queue, next_capped, now);
        if (next_capped) [[unlikely]]
            start_cap_period(next->vcpu->domain(), now);
    }
    queue.lock.unlock();
    return next != nullptr ? next->vcpu : nullptr;
}

// From the moment `running` is false another CPU may free the vCPU: that store is the last access, and it is made under
// the lock of the queue that the unit belongs to.
void sched_context_saved(Vcpu& vcpu) HV_NO_THREAD_SAFETY
{
    Domain& domain = vcpu.domain();
    bool const ending = load_acquire(domain.shutting_down);
    if (ending)
        domain_hold(domain);
    SchedUnit& unit = vcpu.sched;
    RunQueue* queue = &lock_unit(unit);
    bool waits = runnable(vcpu);
    if (waits)
        if (CpuId target = choose_cpu(unit); target != unit.cpu)
        {
            change_queue(*queue, unit, target);
            queue->lock.unlock();
            queue = &queue_of(target.raw());
            queue->lock.lock();
            waits = runnable(vcpu); // it may have been stopped meanwhile
        }
    if (waits && !(over_cap(unit) && park(unit)))
    {
        Nanoseconds const now = port::now();
        bool const preempted =
            vcpu.time.runstate.state == RUNSTATE_runnable && &queue_of(port::cpu_id().raw()) == queue;
        if (preempted && queue->current != nullptr)
        {
            insert(*queue, unit);
            if (queue->slice_end.raw() == 0)
                arm_slice(*queue, capped(*queue->current), now);
        }
        else
            enqueue(*queue, unit, now);
    }
    store_release(unit.running, false);
    queue->lock.unlock();
    if (ending)
    {
        shutdown_vcpu_descheduled(domain);
        domain_release(domain);
    }
}

void sched_cpu_online(CpuId cpu)
{
    RunQueue& queue = queue_of(cpu.raw());
    queue.slice.callback = &slice_expired;
    queue.slice.context = &queue;
    Guard guard(queue.lock);
    if (queue.online)
        return;
    queue.online = true;
    queue.idle_since = port::now();
    run_queue::set_online(cpu);
    set_idle(cpu, true);
}

} // namespace hv
