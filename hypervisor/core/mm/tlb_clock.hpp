// SPDX-License-Identifier: MIT
// A 16-bit clock of full TLB flushes, so that a frame's reuse flushes only CPUs that may still hold its translations.
//
// Every full flush on a CPU advances the clock and stores the new value as that CPU's flush time. A frame is stamped with
// the clock when its last translation goes away. A CPU may be stale for the frame iff its flush time <= the stamp. The
// page-table write that removed the translation is ordered before the stamp's read of the clock (both are locked
// operations), and a flush starts after its CPU advanced the clock, so a flush that follows the stamp is seen as later.
// A stamp is read as the latest clock value at or before now with its 16 bits: one that is 65536 flushes old or more
// is taken for newer than it is, which can only cause a flush too many.
#pragma once

#include <lib/cpu_mask.hpp>

#include <cstdint>

namespace hv
{

inline constexpr unsigned kStampShift = 32; // place in FrameInfo::usage
inline constexpr std::uint64_t kStampMask = 0xffffull << kStampShift;

// The clock now, shifted into place.
std::uint64_t tlb_stamp_now();
constexpr std::uint16_t tlb_stamp_of(std::uint64_t usage)
{
    return static_cast<std::uint16_t>((usage & kStampMask) >> kStampShift);
}

// Called by whoever flushes everything on this CPU, before the flush.
void note_full_flush(CpuId cpu);

// Flushes all CPUs that have not flushed since `stamp`.
void flush_if_stale(std::uint16_t stamp);

} // namespace hv
