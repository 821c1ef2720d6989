// SPDX-License-Identifier: MIT
// Ticket lock and scoped guards, annotated for clang's thread-safety analysis.
//
// Every lock has a rank (lib/lock_ranks.def) that says in which order locks are taken; debug builds check it.
//
// The hypervisor runs with interrupts off from entry to exit, so no lock has an interrupt-safe variant. A CPU that
// waits must still answer TLB shootdowns, or two CPUs could wait for each other: the slow path polls for them through
// `spin_wait()`, which the port supplies and which takes no lock.
#pragma once

#include <lib/atomic.hpp>
#include <lib/bug.hpp>
#include <lib/lock_rank.hpp>

#include <cstdint>
#include <type_traits>

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

class alignas(std::uint32_t) HV_CAPABILITY("spinlock") SpinLock
{
public:
    explicit constexpr SpinLock(LockRank rank) : rank_(rank) {}
    SpinLock(SpinLock const&) = delete;
    SpinLock& operator=(SpinLock const&) = delete;

    void lock() HV_ACQUIRE()
    {
        Ticket const ticket = take_ticket();
        if (!serves(ticket)) [[unlikely]]
            wait_for(ticket);
        note_taken();
    }

    // `wait_step` in place of spin_wait(), which it has to call: for whoever must serve more than TLB shootdowns meanwhile.
    template<typename WaitStep>
    void lock(WaitStep wait_step) HV_ACQUIRE()
    {
        Ticket const ticket = take_ticket();
        while (load_acquire(serving_) != ticket)
            wait_step();
        note_taken();
    }

    bool try_lock() HV_TRY_ACQUIRE(true)
    {
        Ticket serving = load_relaxed(serving_);
        bool const taken = compare_exchange(next_, serving, static_cast<Ticket>(serving + 1));
        if constexpr (kCheckLocks)
            if (taken)
                note_taken();
        return taken;
    }

    // One instruction, since only the holder writes `serving_`; a plain store is a release on this architecture.
    void unlock() HV_RELEASE()
    {
        if constexpr (kCheckLocks)
        {
            detail::note_lock_released(this, rank_);
            store_release(serving_, serving_ + 1);
        }
        else
            asm volatile("incl %0" : "+m"(serving_) : : "memory", "cc");
    }

    [[nodiscard]] bool is_locked() const { return load_relaxed(next_) != load_relaxed(serving_); }

private:
    // Checked locks have the size of the others, so that the structures around them stay what they are. There are far
    // fewer CPUs than short tickets.
    using Ticket = std::conditional_t<kCheckLocks, std::uint16_t, std::uint32_t>;
    struct NoRank
    {
        explicit constexpr NoRank(LockRank) {}
        constexpr operator LockRank() const { return {}; }
    };

    Ticket take_ticket()
    {
        if constexpr (kCheckLocks)
            detail::check_lock_order(this, rank_);
        return fetch_add(next_, Ticket{1});
    }

    void note_taken()
    {
        if constexpr (kCheckLocks)
            detail::note_lock_taken(this, rank_);
    }

    // One comparison with memory; loads are acquires on this architecture.
    [[nodiscard]] bool serves(Ticket ticket) const
    {
        if constexpr (kCheckLocks)
            return load_acquire(serving_) == ticket;
        bool equal;
        asm volatile("cmp %2, %1" : "=@cce"(equal) : "m"(serving_), "r"(ticket) : "memory");
        return equal;
    }

    void wait_for(Ticket ticket) const
    {
#ifdef HV_FREESTANDING
        if constexpr (!kCheckLocks)
        {
            // Assembly that changes no other register (arch/x86_64/smp/spin.S): the usual way keeps everything where it is,
            // and the address is found here only.
            asm volatile("lea %0, %%rdi\n\tcall spin_until_served"
                         :
                         : "m"(serving_), "S"(ticket)
                         : "rdi", "memory", "cc");
            return;
        }
#endif
        while (load_acquire(serving_) != ticket)
            spin_wait();
    }

    Ticket next_ = 0;
    Ticket serving_ = 0;
    [[no_unique_address]] std::conditional_t<kCheckLocks, LockRank, NoRank> rank_;
};
static_assert(sizeof(SpinLock) == 8);

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

// Takes two locks of one rank in address order (LockSiblings::ByAddress); the same lock twice is taken once.
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
