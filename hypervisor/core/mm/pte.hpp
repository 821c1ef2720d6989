// SPDX-License-Identifier: MIT
// Bits of an x86-64 page-table entry (Intel SDM vol. 3, 4.5) and the two software bits that are ours.
#pragma once

#include <lib/strong.hpp>

#include <cstdint>

namespace hv::pte
{

inline constexpr std::uint64_t kPresent = 1ull << 0;
inline constexpr std::uint64_t kWritable = 1ull << 1;
inline constexpr std::uint64_t kUser = 1ull << 2;
inline constexpr std::uint64_t kWriteThrough = 1ull << 3;
inline constexpr std::uint64_t kCacheDisable = 1ull << 4;
inline constexpr std::uint64_t kAccessed = 1ull << 5;
inline constexpr std::uint64_t kDirty = 1ull << 6;
inline constexpr std::uint64_t kPatLeaf = 1ull << 7;   // in an L1 entry
inline constexpr std::uint64_t kSuperpage = 1ull << 7; // in L2 and L3 entries
inline constexpr std::uint64_t kGlobal = 1ull << 8;
inline constexpr std::uint64_t kAvailable = 7ull << 9;
inline constexpr std::uint64_t kAvailableHigh = 0x7ffull << 52;
inline constexpr std::uint64_t kNoExecute = 1ull << 63;
inline constexpr std::uint64_t kAddress = 0x000ffffffffff000;

// Software bits in leaf entries. Guests may read them back; values they write are stripped of kGrant.
inline constexpr std::uint64_t kGuestKernel = 1ull << 52; // the guest asked for a supervisor page (all run at CPL 3)
inline constexpr std::uint64_t kGrant = 1ull << 53; // a grant mapping: its references belong to the maptrack entry

inline constexpr std::uint64_t kCacheBits = kWriteThrough | kCacheDisable | kPatLeaf;

constexpr Mfn frame(std::uint64_t entry)
{
    return Mfn{(entry & kAddress) >> kPageShift};
}

constexpr std::uint64_t make(Mfn frame, std::uint64_t flags)
{
    return (frame.raw() << kPageShift) | flags;
}

constexpr unsigned index(std::uint64_t address, unsigned level) // level 1..4
{
    return static_cast<unsigned>(address >> (kPageShift + 9 * (level - 1))) & 511;
}

} // namespace hv::pte
