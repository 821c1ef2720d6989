// SPDX-License-Identifier: MIT
// The per-CPU timer heaps.
#include <core/time/timer.hpp>
#include <lib/atomic.hpp>
#include <lib/cpu_mask.hpp>
#include <lib/spinlock.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

struct Earlier
{
    static bool before(Timer const& a, Timer const& b) { return a.deadline < b.deadline; }
};

struct alignas(64) TimerHeap
{
    SpinLock lock{LockRank::TimerHeap};
    LeftistHeap<Timer, Earlier> heap;
    Nanoseconds programmed{}; // what the hardware was last set to, 0 = off; touched by its own CPU only
    Timer* running = nullptr; // whose callback runs now; atomic
};

constinit TimerHeap heaps[kMaxCpus];

// A shot that should have come so long ago is taken for lost. Without this, one lost shot would end all timers of its CPU,
// since later ones are left to it. Seen in QEMU 7.2, which loses accesses to the local APIC while another CPU moves the
// registers of a PCI device.
constexpr std::uint64_t kOverdue = 1'000'000; // ns

bool shot_is_lost(TimerHeap const& own)
{
    return own.programmed.raw() != 0 && port::now() > own.programmed + kOverdue;
}

// Programs this CPU's hardware for the earliest timer, when that changes anything. The heap's lock is held and the heap
// is not empty.
void program(TimerHeap& own)
{
    Nanoseconds const deadline = own.heap.first()->deadline;
    // A later deadline is left to the pending shot, which finds nothing to do and programs anew: most timers are moved on
    // before they fire, and the hardware write is the costly part.
    if (own.programmed.raw() != 0 && deadline >= own.programmed && !shot_is_lost(own))
        return;
    own.programmed = deadline;
    port::set_timer(deadline);
}

// Takes the timer off whatever heap it is on.
void disarm(Timer& timer)
{
    while (load_acquire(timer.set))
    {
        std::uint32_t const cpu = load_relaxed(timer.cpu);
        TimerHeap& heap = heaps[cpu];
        Guard guard(heap.lock);
        if (!load_relaxed(timer.set) || load_relaxed(timer.cpu) != cpu)
            continue;
        heap.heap.remove(timer);
        store_release(timer.set, false);
    }
}

} // namespace

void timer_set(Timer& timer, Nanoseconds deadline)
{
    std::uint32_t const cpu = port::cpu_id().raw();
    TimerHeap& own = heaps[cpu];
    Guard setting(timer.setting);
    if (load_acquire(timer.set) && load_relaxed(timer.cpu) != cpu)
        disarm(timer);
    Guard guard(own.lock);
    if (load_relaxed(timer.set))
        own.heap.remove(timer);
    store_relaxed(timer.cpu, cpu);
    timer.deadline = deadline.raw() != 0 ? deadline : Nanoseconds{1};
    own.heap.insert(timer);
    store_release(timer.set, true);
    program(own);
}

void timer_cancel(Timer& timer)
{
    disarm(timer);
}

void timer_cancel_sync(Timer& timer)
{
    expect_no_lock_held();
    disarm(timer);
    for (std::uint32_t cpu = 0; cpu < port::online_cpus(); ++cpu)
        while (cpu != port::cpu_id().raw() && load_acquire(heaps[cpu].running) == &timer)
            spin_wait();
    disarm(timer); // the callback may have set it again
}

bool timers_overdue(CpuId cpu)
{
    return shot_is_lost(heaps[cpu.raw()]);
}

void timers_run(CpuId cpu)
{
    TimerHeap& own = heaps[cpu.raw()];
    own.lock.lock();
    own.programmed = Nanoseconds{0};
    Nanoseconds const now = port::now();
    while (!own.heap.empty() && own.heap.first()->deadline <= now)
    {
        Timer& timer = own.heap.take_first();
        store_release(own.running, &timer);
        store_release(timer.set, false);
        own.lock.unlock();
        timer.callback(timer.context);
        store_release(own.running, static_cast<Timer*>(nullptr));
        own.lock.lock();
    }
    // A callback may have programmed the hardware for a timer that has run since.
    Timer const* const first = own.heap.first();
    if (first == nullptr || own.programmed != first->deadline)
    {
        own.programmed = first != nullptr ? first->deadline : Nanoseconds{0};
        port::set_timer(own.programmed);
    }
    own.lock.unlock();
}

} // namespace hv
