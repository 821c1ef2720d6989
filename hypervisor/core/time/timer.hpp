// SPDX-License-Identifier: MIT
// One-shot timers, kept per CPU in a heap by deadline; the CPU's hardware timer is set for the earliest.
//
// A timer belongs to its owner, which must cancel it synchronously before freeing it. Callbacks run on the CPU on which
// the timer was set, on that CPU's way out of the hypervisor, with no lock held; they may set the timer again.
// Locks, both innermost: the timer's own (one setter at a time), then its CPU's heap. Any other lock may be held when
// calling timer_set and timer_cancel.
#pragma once

#include <core/time/leftist_heap.hpp>
#include <lib/spinlock.hpp>
#include <lib/strong.hpp>

#include <cstdint>

namespace hv
{

struct Timer : HeapNode<Timer>
{
    using Callback = void (*)(void* context);

    constexpr Timer() = default;
    constexpr Timer(Callback callback_, void* context_) : callback(callback_), context(context_) {}
    Timer(Timer const&) = delete;
    Timer& operator=(Timer const&) = delete;

    [[nodiscard]] bool armed() const { return __atomic_load_n(&set, __ATOMIC_RELAXED); }

    Callback callback = nullptr;
    void* context = nullptr;
    Nanoseconds deadline{};
    SpinLock setting{LockRank::TimerSetting}; // held by whoever sets it
    std::uint32_t cpu = 0;                    // whose heap it is, or was last, on; changes while `set` is false
    bool set = false;                         // on a heap; changes under that heap's lock
};

// (Re)arms the timer on this CPU. A deadline in the past fires as soon as this CPU leaves the hypervisor.
void timer_set(Timer& timer, Nanoseconds deadline);
// Disarms it; the callback may still be running on another CPU when this returns.
void timer_cancel(Timer& timer);
// Disarms it and waits for a callback running on another CPU. Not from the callback itself; hold no lock.
void timer_cancel_sync(Timer& timer);

// Runs what has expired on this CPU and programs the hardware for the rest. Called on the exit path when the one-shot
// fired (work::kTimer).
void timers_run(CpuId cpu);

// This CPU's hardware has not fired although it should have long ago: whoever notices runs the timers. Own CPU only.
[[nodiscard]] bool timers_overdue(CpuId cpu);

} // namespace hv
