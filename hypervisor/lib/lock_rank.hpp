// SPDX-License-Identifier: MIT
// The ranks of locks and, in debug builds and hosted tests, the check that every CPU takes them in order.
//
// The rules that are checked; each violation is a bug of ours and stops the machine:
//   - a lock is waited for only in the order of lib/lock_ranks.def, and given back by the CPU that took it;
//   - locks are taken with interrupts off and on the CPU's main stack only (the port checks that), so what runs in an
//     interrupt, or in an NMI or machine check, never meets a lock that its own CPU holds;
//   - a CPU that leaves for a guest, or waits for another CPU to come out of one, holds no lock.
// Release builds hold none of this: a lock is two words there, and taking it nothing but taking it.
#pragma once

#include <lib/bug.hpp>
#include <lib/format.hpp>

#include <config.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace hv
{

#ifdef HV_FREESTANDING
inline constexpr bool kCheckLocks = config::kLockRanks;
#else
inline constexpr bool kCheckLocks = true; // unit tests and fuzzers
#endif

enum class LockRank : std::uint8_t
{
#define HV_LOCK_RANK(name, siblings, guards) name,
#include <lib/lock_ranks.def>
#undef HV_LOCK_RANK
};

enum class LockSiblings : std::uint8_t
{
    Alone,
    ByAddress,
    TriedOnly,
};

namespace detail
{

struct LockRankRow
{
    char const* name;
    LockSiblings siblings;
};

inline constexpr LockRankRow kLockRanks[] = {
#define HV_LOCK_RANK(name, siblings, guards) {#name, LockSiblings::siblings},
#include <lib/lock_ranks.def>
#undef HV_LOCK_RANK
};

} // namespace detail

// The locks that one CPU holds, in the order in which it got them.
struct HeldLocks
{
    struct Entry
    {
        void const* lock;
        LockRank rank;
    };
    std::array<Entry, 12> entries{};
    std::uint32_t count = 0;

    [[nodiscard]] std::span<Entry const> all() const { return {entries.data(), count}; }
};

// This CPU's record; nullptr ends the checks (the machine is stopping). Supplied by the port.
HeldLocks* held_locks();

namespace detail
{

[[noreturn, gnu::noinline, gnu::cold]] inline void lock_bug(char const* what, LockRank rank, char const* held)
{
    char text[96];
    format(text, "{} {}{}{}", what, kLockRanks[static_cast<unsigned>(rank)].name, *held != 0 ? " while holding " : "",
           held);
    HV_BUG(text);
}

// A CPU that holds `held` may wait for `wanted`.
inline bool in_order(HeldLocks::Entry const& held, HeldLocks::Entry const& wanted)
{
    if (held.rank != wanted.rank)
        return held.rank < wanted.rank;
    bool const ordered = kLockRanks[static_cast<unsigned>(held.rank)].siblings == LockSiblings::ByAddress;
    return ordered && held.lock < wanted.lock;
}

// Before the wait, so that a deadlock is reported and not met.
[[gnu::noinline]] inline void check_lock_order(void const* lock, LockRank rank)
{
    HeldLocks const* const held = held_locks();
    if (held == nullptr)
        return;
    if (kLockRanks[static_cast<unsigned>(rank)].siblings == LockSiblings::TriedOnly)
        lock_bug("lock order: waits for", rank, "");
    for (HeldLocks::Entry const& entry : held->all())
        if (!in_order(entry, {lock, rank}))
            lock_bug("lock order: waits for", rank, kLockRanks[static_cast<unsigned>(entry.rank)].name);
}

[[gnu::noinline]] inline void note_lock_taken(void const* lock, LockRank rank)
{
    HeldLocks* const held = held_locks();
    if (held == nullptr)
        return;
    if (held->count == held->entries.size())
        lock_bug("too many locks are held, on top of them", rank, "");
    held->entries[held->count++] = {lock, rank};
}

[[gnu::noinline]] inline void note_lock_released(void const* lock, LockRank rank)
{
    HeldLocks* const held = held_locks();
    if (held == nullptr)
        return;
    std::uint32_t place = held->count;
    while (place > 0 && held->entries[place - 1].lock != lock)
        --place;
    if (place == 0)
        lock_bug("this CPU gives back but does not hold", rank, "");
    for (; place < held->count; ++place)
        held->entries[place - 1] = held->entries[place];
    --held->count;
}

[[gnu::noinline]] inline void check_locks_allow_waiting()
{
    HeldLocks const* const held = held_locks();
    if (held == nullptr)
        return;
    for (HeldLocks::Entry const& entry : held->all())
        if (kLockRanks[static_cast<unsigned>(entry.rank)].siblings != LockSiblings::TriedOnly)
            lock_bug("waits for another CPU while holding", entry.rank, "");
}

} // namespace detail

// States that this CPU holds no lock that another one may be waiting for. Before waits for other CPUs, and on the way out
// to a guest. Nothing in a release build.
inline void expect_no_lock_held()
{
    if constexpr (kCheckLocks)
        detail::check_locks_allow_waiting();
}

} // namespace hv
