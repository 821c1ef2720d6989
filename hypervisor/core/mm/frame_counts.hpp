// SPDX-License-Identifier: MIT
// The counts of frame.hpp as inline steps, for the paths that take and drop references entry by entry. The rules are
// those of frame.hpp; a caller passes the record it has looked up already.
#pragma once

#include <core/mm/frame.hpp>
#include <core/mm/frame_table.hpp>
#include <core/mm/tlb_clock.hpp>

namespace hv
{

namespace detail
{
bool claim_writable(FrameInfo& info); // add_writable_use() but for "plain memory already"
} // namespace detail

inline FrameInfo* frame_record(Mfn frame)
{
    return frame < g_frames.end ? &g_frames.base[frame.raw()] : nullptr;
}

// get_frame() with the record at hand.
[[nodiscard]] inline bool add_reference(FrameInfo& info, DomainId owner)
{
    std::uint64_t seen = load_relaxed(info.ownership);
    do
    {
        std::uint32_t const count = static_cast<std::uint32_t>(seen & FrameInfo::kCountMask);
        // Count 0 means being freed or never given out; the top half of the range is kept as overflow margin.
        if ((seen >> FrameInfo::kOwnerShift) != owner.raw() || count - 1 >= 0x7fffffff) [[unlikely]]
            return false;
    } while (!compare_exchange(info.ownership, seen, seen + 1));
    return true;
}

inline void drop_reference(Mfn frame, FrameInfo& info)
{
    std::uint64_t const before = fetch_sub(info.ownership, 1ull);
    HV_ASSERT((before & FrameInfo::kCountMask) != 0);
    if ((before & FrameInfo::kCountMask) == 1) [[unlikely]]
        detail::free_unreferenced(frame, info);
}

// The writable use alone, for whoever has a general reference: false when the frame is in use as something else.
[[nodiscard]] inline bool add_writable_use(FrameInfo& info)
{
    constexpr std::uint64_t kState = ~0ull << FrameInfo::kTypeShift | FrameInfo::kValidated | FrameInfo::kPartial;
    std::uint64_t seen = load_acquire(info.usage);
    while ((seen & kState) == FrameInfo::kValidated && (seen & FrameInfo::kCountMask) < 0x80000000) [[likely]]
        if (compare_exchange(info.usage, seen, seen + 1)) [[likely]]
            return true;
    return detail::claim_writable(info);
}

inline void drop_writable_use(FrameInfo& info)
{
    std::uint64_t seen = load_relaxed(info.usage);
    for (;;)
    {
        HV_ASSERT((seen >> FrameInfo::kTypeShift) == 0 && (seen & FrameInfo::kCountMask) != 0);
        std::uint64_t next = seen - 1;
        if ((next & FrameInfo::kCountMask) == 0)
            next = (next & ~kStampMask) | tlb_stamp_now();
        if (compare_exchange(info.usage, seen, next)) [[likely]]
            return;
    }
}

// A general reference of a frame of `owner`, with a writable use if `write`. False when they are not to be had.
[[nodiscard]] inline bool take_use(Mfn frame, DomainId owner, bool write)
{
    if (frame >= g_frames.end) [[unlikely]]
        return false;
    FrameInfo& info = g_frames.base[frame.raw()];
    if (!add_reference(info, owner)) [[unlikely]]
        return false;
    if (!write || add_writable_use(info)) [[likely]]
        return true;
    drop_reference(frame, info);
    return false;
}

// Gives back what take_use() took.
inline void drop_use(Mfn frame, bool write)
{
    FrameInfo& info = g_frames.base[frame.raw()]; // there is a record of what was taken
    if (write)
        drop_writable_use(info);
    drop_reference(frame, info);
}

} // namespace hv
