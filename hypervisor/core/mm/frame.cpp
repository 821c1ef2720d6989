// SPDX-License-Identifier: MIT
// Counting of general references and writable uses; the lock-free half of the frame rules.
#include <core/mm/frame.hpp>

#include <core/mm/allocator.hpp>
#include <core/mm/frame_counts.hpp>
#include <lib/spinlock.hpp>

namespace hv
{

FrameTable g_frames;

FrameInfo* frame_info(Mfn frame)
{
    return frame_record(frame);
}

bool get_frame(Mfn frame, DomainId owner)
{
    FrameInfo* const info = frame_record(frame);
    return info != nullptr && add_reference(*info, owner);
}

bool get_frame_any(Mfn frame)
{
    FrameInfo* const info = frame_record(frame);
    return info != nullptr && add_reference(*info, info->owner());
}

void put_frame(Mfn frame)
{
    drop_reference(frame, *frame_record(frame));
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

bool detail::claim_writable(FrameInfo& info)
{
    std::uint64_t seen = load_acquire(info.usage);
    for (;;)
    {
        seen = wait_validated(info, seen);
        std::uint64_t const count = seen & FrameInfo::kCountMask;
        bool const same = static_cast<FrameType>(seen >> FrameInfo::kTypeShift) == FrameType::Writable;
        if ((!same && count != 0) || count >= 0x80000000 || (seen & FrameInfo::kPartial) != 0)
            return false;
        if (same && (count != 0 || (seen & FrameInfo::kValidated) != 0))
        {
            if (compare_exchange(info.usage, seen, seen + 1))
                return true;
            continue;
        }
        // A table or descriptor page becomes plain memory again: drop translations that use it as a table first.
        std::uint64_t const claimed = (seen & kStampMask) | 1; // Writable, not validated
        if (compare_exchange(info.usage, seen, claimed))
        {
            flush_if_stale(tlb_stamp_of(seen));
            fetch_or(info.usage, FrameInfo::kValidated);
            return true;
        }
    }
}

void detail::last_reference_gone(Mfn frame, FrameInfo& info)
{
    HV_ASSERT(info.count() == 0); // it was 1: nobody takes a reference of a frame that has none
    free_unreferenced(frame, info);
}

void detail::drop_last_writable_use(FrameInfo& info)
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

Result<void> get_writable(Mfn frame, DomainId owner)
{
    FrameInfo* const info = frame_record(frame);
    if (info == nullptr || !add_reference(*info, owner))
        return Errno::Inval;
    if (add_writable_use(*info)) [[likely]]
        return {};
    drop_reference(frame, *info);
    return Errno::Busy;
}

void put_writable(Mfn frame)
{
    FrameInfo& info = *frame_record(frame);
    drop_writable_use(info);
    drop_reference(frame, info);
}

} // namespace hv
