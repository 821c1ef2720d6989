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
bool claim_writable(FrameInfo& info);                 // add_writable_use() but for "plain memory already"
void last_reference_gone(Mfn frame, FrameInfo& info); // the count is 0
void drop_last_writable_use(FrameInfo& info);         // the last one, or a mistake of ours
} // namespace detail

inline FrameInfo* frame_record(Mfn frame)
{
    return frame < g_frames.end ? &g_frames.base[frame.raw()] : nullptr;
}

// get_frame() with the record at hand.
[[nodiscard]] inline bool add_reference(FrameInfo& info, DomainId owner)
{
    // Count 0 means being freed or never given out; the top half of the range is kept as overflow margin. One subtraction
    // tells all: with another owner the upper bits are not 0 afterwards, with a count of 0 it borrows from bit 31.
    std::uint64_t const least = std::uint64_t{owner.raw()} << FrameInfo::kOwnerShift | 1;
    constexpr std::uint64_t kWrong = ~0ull << FrameInfo::kOwnerShift | 1ull << 31;
    std::uint64_t seen = load_relaxed(info.ownership);
    do
    {
        if (((seen - least) & kWrong) != 0) [[unlikely]]
            return false;
    } while (!compare_exchange(info.ownership, seen, seen + 1));
    return true;
}

inline void drop_reference(Mfn frame, FrameInfo& info)
{
    if (count_down(info.ownership)) [[unlikely]]
        detail::last_reference_gone(frame, info);
}

// The writable use alone, for whoever has a general reference: false when the frame is in use as something else.
[[nodiscard]] inline bool add_writable_use(FrameInfo& info)
{
    // Plain memory: Writable, validated, and neither pinned nor partial, which only tables are. There are never more uses than
    // references, so the count cannot overflow before theirs.
    constexpr unsigned kStateShift = 58;
    static_assert(FrameInfo::kPartial == 1ull << kStateShift);
    std::uint64_t seen = load_acquire(info.usage);
    while (seen >> kStateShift == FrameInfo::kValidated >> kStateShift) [[likely]]
        if (compare_exchange(info.usage, seen, seen + 1)) [[likely]]
            return true;
    return detail::claim_writable(info);
}

// Drops a writable use unless it is the last one, or none.
[[nodiscard]] inline bool drop_one_of_several_uses(FrameInfo& info)
{
    std::uint64_t seen = load_relaxed(info.usage);
    while (static_cast<std::uint32_t>(seen) > 1 && (seen & ~0ull << FrameInfo::kTypeShift) == 0) [[likely]]
        if (compare_exchange(info.usage, seen, seen - 1)) [[likely]]
            return true;
    return false;
}

inline void drop_writable_use(FrameInfo& info)
{
    if (!drop_one_of_several_uses(info)) [[unlikely]]
        detail::drop_last_writable_use(info);
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
