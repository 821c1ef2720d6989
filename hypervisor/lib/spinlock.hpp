// SPDX-License-Identifier: MIT
// Ticket lock and scoped guards, annotated for clang's thread-safety analysis.
//
// The hypervisor runs with interrupts off from entry to exit, so no lock has an interrupt-safe variant. A CPU that
// waits must still answer TLB shootdowns, or two CPUs could wait for each other: the slow path polls for them through
// `spin_wait()`, which the port supplies and which takes no lock.
#pragma once

#include <lib/atomic.hpp>
#include <lib/bug.hpp>

#include <cstdint>

#if defined(__clang__)
#define HV_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define HV_THREAD_ANNOTATION(x)
#endif
#define HV_CAPABILITY(name) HV_THREAD_ANNOTATION(capability(name))
#define HV_SCOPED_CAPABILITY HV_THREAD_ANNOTATION(scoped_lockable)
#define HV_GUARDED_BY(lock) HV_THREAD_ANNOTATION(guarded_by(lock))
#define HV_REQUIRES(...) HV_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define HV_ACQUIRE(...) HV_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define HV_TRY_ACQUIRE(...) HV_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define HV_RELEASE(...) HV_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define HV_NO_THREAD_SAFETY HV_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace hv
{

// One step of waiting: PAUSE, and serve a pending TLB shootdown of this CPU. Supplied by the port; takes no lock.
void spin_wait();

class HV_CAPABILITY("spinlock") SpinLock
{
public:
    constexpr SpinLock() = default;
    SpinLock(SpinLock const&) = delete;
    SpinLock& operator=(SpinLock const&) = delete;

    void lock() HV_ACQUIRE()
    {
        std::uint32_t const ticket = fetch_add(next_, 1u);
        if (load_acquire(serving_) != ticket) [[unlikely]]
            wait_for(ticket);
    }

    bool try_lock() HV_TRY_ACQUIRE(true)
    {
        std::uint32_t serving = load_relaxed(serving_);
        return compare_exchange(next_, serving, serving + 1);
    }

    // One instruction, since only the holder writes `serving_`; a plain store is a release on this architecture.
    void unlock() HV_RELEASE() { asm volatile("incl %0" : "+m"(serving_) : : "memory", "cc"); }

    [[nodiscard]] bool is_locked() const { return load_relaxed(next_) != load_relaxed(serving_); }

private:
    void wait_for(std::uint32_t ticket) const
    {
#ifdef HV_FREESTANDING
        // Assembly that changes no register (arch/x86_64/smp/spin.S): the usual way keeps everything where it is.
        asm volatile("call spin_until_served" : : "D"(&serving_), "S"(ticket) : "memory", "cc");
#else
        while (load_acquire(serving_) != ticket)
            spin_wait();
#endif
    }

    std::uint32_t next_ = 0;
    std::uint32_t serving_ = 0;
};

class HV_SCOPED_CAPABILITY Guard
{
public:
    explicit Guard(SpinLock& lock) HV_ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
    ~Guard() HV_RELEASE() { lock_.unlock(); }
    Guard(Guard const&) = delete;
    Guard& operator=(Guard const&) = delete;

private:
    SpinLock& lock_;
};

// Takes two locks of one rank in address order; the same lock twice is taken once.
class PairGuard
{
public:
    PairGuard(SpinLock& a, SpinLock& b) HV_NO_THREAD_SAFETY : low_(&a < &b ? a : b), high_(&a < &b ? b : a)
    {
        low_.lock();
        if (&low_ != &high_)
            high_.lock();
    }
    ~PairGuard() HV_NO_THREAD_SAFETY
    {
        if (&low_ != &high_)
            high_.unlock();
        low_.unlock();
    }
    PairGuard(PairGuard const&) = delete;
    PairGuard& operator=(PairGuard const&) = delete;

private:
    SpinLock& low_;
    SpinLock& high_;
};

} // namespace hv
