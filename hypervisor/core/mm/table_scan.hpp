// SPDX-License-Identifier: MIT
// Finding the present entries of a table, most of which are mostly empty.
#pragma once

#include <core/mm/pte.hpp>
#include <lib/atomic.hpp>

#include <cstddef>
#include <cstdint>

namespace hv
{

inline constexpr unsigned kEntries = 512;
inline constexpr unsigned kGroup = 16; // entries looked at together where tables are empty

// Plain reads, so that each is one instruction: under mmu_lock only the MMU changes entries, and only present ones.
inline bool any_present(std::uint64_t const* group)
{
    std::uint64_t all = group[0];
#pragma GCC unroll 16
    for (unsigned i = 1; i < kGroup; ++i)
        all |= group[i];
    return (all & pte::kPresent) != 0;
}

// Behind the empty groups that begin at `entry`, if any does; `end` is that of its table. Tables are aligned to groups.
template<typename Entry>
[[gnu::always_inline]] inline Entry* behind_empty_groups(Entry* entry, Entry* end)
{
    if (reinterpret_cast<std::uintptr_t>(entry) % (kGroup * sizeof(Entry)) == 0)
        while (entry != end && !any_present(entry))
            entry += kGroup;
    return entry;
}

// The end of what is left below `end` without the empty groups there, if it is the end of one.
[[gnu::always_inline]] inline std::size_t before_empty_groups(std::uint64_t const* entries, std::size_t end)
{
    if (end % kGroup == 0)
        while (end != 0 && !any_present(entries + end - kGroup))
            end -= kGroup;
    return end;
}

// The first present entry at or above `first`, or kEntries.
inline unsigned next_present(std::uint64_t const* entries, unsigned first)
{
    std::uint64_t const* const end = entries + kEntries;
    std::uint64_t const* entry = behind_empty_groups(entries + first, end);
    while (entry != end && (load_relaxed(*entry) & pte::kPresent) == 0)
        entry = behind_empty_groups(entry + 1, end);
    return static_cast<unsigned>(entry - entries);
}

// One more than the last present entry below `end`, or 0.
inline unsigned last_present(std::uint64_t const* entries, unsigned end)
{
    std::size_t behind = before_empty_groups(entries, end);
    while (behind != 0 && (load_relaxed(entries[behind - 1]) & pte::kPresent) == 0)
        behind = before_empty_groups(entries, behind - 1);
    return static_cast<unsigned>(behind);
}

} // namespace hv
