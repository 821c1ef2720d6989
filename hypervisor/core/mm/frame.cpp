// SPDX-License-Identifier: MIT
// Counting of general references and writable uses; the lock-free half of the frame rules.
#include <core/mm/frame.hpp>

#include <core/mm/allocator.hpp>
#include <core/mm/frame_table.hpp>
#include <core/mm/tlb_clock.hpp>
#include <lib/spinlock.hpp>

namespace hv
{

FrameTable g_frames;

FrameInfo* frame_info(Mfn frame)
{
    return frame < g_frames.end ? &g_frames.base[frame.raw()] : nullptr;
}

bool get_frame(Mfn frame, DomainId owner)
{
    FrameInfo* info = frame_info(frame);
    if (info == nullptr)
        return false;
    std::uint64_t seen = load_relaxed(info->ownership);
    do
    {
        std::uint32_t const count = static_cast<std::uint32_t>(seen & FrameInfo::kCountMask);
        // Count 0 means being freed or never given out; the top half of the range is kept as overflow margin.
        if ((seen >> FrameInfo::kOwnerShift) != owner.raw() || count == 0 || count >= 0x80000000)
            return false;
    } while (!compare_exchange(info->ownership, seen, seen + 1));
    return true;
}

bool get_frame_any(Mfn frame)
{
    FrameInfo* info = frame_info(frame);
    return info != nullptr && get_frame(frame, info->owner());
}

void put_frame(Mfn frame)
{
    FrameInfo* info = frame_info(frame);
    std::uint64_t const before = fetch_sub(info->ownership, 1ull);
    HV_ASSERT((before & FrameInfo::kCountMask) != 0);
    if ((before & FrameInfo::kCountMask) == 1)
        detail::free_unreferenced(frame, *info);
}

namespace
{

// Waits until a concurrent type change has flushed and published. Bounded: the changer holds no lock we need.
std::uint64_t wait_validated(FrameInfo& info, std::uint64_t seen)
{
    while ((seen & FrameInfo::kValidated) == 0 && (seen & FrameInfo::kCountMask) != 0 &&
           static_cast<FrameType>(seen >> FrameInfo::kTypeShift) == FrameType::Writable)
    {
        spin_wait();
        seen = load_acquire(info.usage);
    }
    return seen;
}

} // namespace

Result<void> get_writable(Mfn frame, DomainId owner)
{
    if (!get_frame(frame, owner))
        return Errno::Inval;
    FrameInfo& info = *frame_info(frame);
    std::uint64_t seen = load_acquire(info.usage);
    for (;;)
    {
        seen = wait_validated(info, seen);
        std::uint64_t const count = seen & FrameInfo::kCountMask;
        bool const same = static_cast<FrameType>(seen >> FrameInfo::kTypeShift) == FrameType::Writable;
        if ((!same && count != 0) || count >= 0x80000000 || (seen & FrameInfo::kPartial) != 0)
        {
            put_frame(frame);
            return Errno::Busy;
        }
        if (same && (count != 0 || (seen & FrameInfo::kValidated) != 0))
        {
            if (compare_exchange(info.usage, seen, seen + 1))
                return {};
            continue;
        }
        // A table or descriptor page becomes plain memory again: drop translations that use it as a table first.
        std::uint64_t const claimed = (seen & kStampMask) | 1; // Writable, not validated
        if (compare_exchange(info.usage, seen, claimed))
        {
            flush_if_stale(tlb_stamp_of(seen));
            fetch_or(info.usage, FrameInfo::kValidated);
            return {};
        }
    }
}

void put_writable(Mfn frame)
{
    FrameInfo& info = *frame_info(frame);
    std::uint64_t seen = load_relaxed(info.usage);
    for (;;)
    {
        HV_ASSERT((seen >> FrameInfo::kTypeShift) == 0 && (seen & FrameInfo::kCountMask) != 0);
        std::uint64_t next = seen - 1;
        if ((next & FrameInfo::kCountMask) == 0)
            next = (next & ~kStampMask) | tlb_stamp_now();
        if (compare_exchange(info.usage, seen, next))
            break;
    }
    put_frame(frame);
}

} // namespace hv
