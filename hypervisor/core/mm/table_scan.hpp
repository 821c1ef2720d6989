// SPDX-License-Identifier: MIT
// Finding the present entries of a table, most of which are mostly empty.
#pragma once

#include <core/mm/pte.hpp>
#include <lib/atomic.hpp>

#include <cstdint>

namespace hv
{

inline constexpr unsigned kEntries = 512;
inline constexpr unsigned kGroup = 8; // entries looked at together where tables are empty

// Plain reads, so that each is one instruction: under mmu_lock only the MMU changes entries, and only present ones.
inline bool any_present(std::uint64_t const* group)
{
    return ((group[0] | group[1] | group[2] | group[3] | group[4] | group[5] | group[6] | group[7]) & pte::kPresent) !=
           0;
}

// The first present entry at or above `index`, or kEntries.
inline unsigned next_present(std::uint64_t const* entries, unsigned index)
{
    while (index < kEntries && (load_relaxed(entries[index]) & pte::kPresent) == 0)
    {
        ++index;
        while (index % kGroup == 0 && index < kEntries && !any_present(entries + index))
            index += kGroup;
    }
    return index;
}

// One more than the last present entry below `end`, or 0.
inline unsigned last_present(std::uint64_t const* entries, unsigned end)
{
    while (end > 0 && (load_relaxed(entries[end - 1]) & pte::kPresent) == 0)
    {
        --end;
        while (end % kGroup == 0 && end > 0 && !any_present(entries + end - kGroup))
            end -= kGroup;
    }
    return end;
}

} // namespace hv
