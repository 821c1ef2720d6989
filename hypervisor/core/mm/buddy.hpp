// SPDX-License-Identifier: MIT
// Free machine frames: a buddy allocator with one zone per address width.
#pragma once

#include <core/mm/frame.hpp>
#include <lib/spinlock.hpp>

namespace hv
{

// Zone z holds the frames whose number has its highest bit at z, so "below 2^n bytes" is "zones below n - 12", and a
// block never straddles a zone because it is aligned to its size. Blocks are threaded through FrameInfo::next/previous
// of their first frame, which carries kFlagFreeHead and its order; allocation prefers the highest zone allowed, keeping
// low memory for devices that need it.
class Buddy
{
public:
    static constexpr unsigned kOrders = 21; // 0..20
    static constexpr unsigned kZones = 32;  // 16 TiB

    // kInvalidMfn when no block of that order lies below 1 << address_bits.
    Mfn take(unsigned order, unsigned address_bits) HV_REQUIRES(lock)
    {
        return take_run(order, order, address_bits, order);
    }
    // The blocks of `order` that take() would give one after the other, at once: one block of order `taken`, which is the
    // smallest there is, but at most `most`.
    Mfn take_run(unsigned order, unsigned most, unsigned address_bits, unsigned& taken) HV_REQUIRES(lock);
    void give(Mfn first, unsigned order) HV_REQUIRES(lock);
    // The same for any frames in a row, with one stamp for all: in the largest blocks that are aligned.
    void give_range(Mfn first, Mfn end, std::uint64_t stamp) HV_REQUIRES(lock);
    [[nodiscard]] std::uint64_t free_frames() const { return load_relaxed(free_); }

    SpinLock lock{LockRank::FreeFrames};

private:
    static constexpr std::uint64_t kFlagFreeHead = 1ull << 35; // in FrameInfo::ownership
    static constexpr std::uint64_t kOrderMask = 0x1f;          // in FrameInfo::usage of a free head

    void link(Mfn first, unsigned order, unsigned zone);
    void unlink(Mfn first, unsigned order, unsigned zone);
    [[nodiscard]] bool is_free_head(Mfn first, unsigned order) const;

    std::uint32_t heads_[kZones][kOrders]{};
    std::uint32_t orders_available_[kZones]{}; // bit o: heads_[z][o] is not empty
    std::uint32_t zones_available_ = 0;        // bit z: orders_available_[z] is not 0
    std::uint64_t free_ = 0;
};

extern Buddy g_buddy;

} // namespace hv
