// SPDX-License-Identifier: MIT
// Device frames: a few ranges, looked up only when a mapping is not RAM.
#include <core/mm/device_memory.hpp>

#include <lib/spinlock.hpp>

namespace hv
{
namespace
{

struct Ranges
{
    static constexpr unsigned kCapacity = 128;
    struct Range
    {
        Mfn first;
        Mfn end;
    };
    SpinLock lock{LockRank::DeviceFrames};
    Range list[kCapacity];
    unsigned count = 0;

    bool contains(Mfn frame)
    {
        Guard guard(lock);
        for (unsigned i = 0; i < count; ++i)
            if (frame >= list[i].first && frame < list[i].end)
                return true;
        return false;
    }

    bool add(Mfn first, Mfn end)
    {
        Guard guard(lock);
        if (count == kCapacity)
            return false;
        list[count++] = {first, end};
        return true;
    }

    // Ranges are removed as they were added.
    void remove(Mfn first, Mfn end)
    {
        Guard guard(lock);
        for (unsigned i = 0; i < count; ++i)
            if (list[i].first == first && list[i].end == end)
            {
                list[i] = list[--count];
                return;
            }
    }
};

Ranges denied;
Ranges read_only_frames;
Ranges exported;

} // namespace

void deny_device_frames(Mfn first, Mfn end)
{
    HV_ASSERT(denied.add(first, end));
}

Result<void> set_device_frames_read_only(Mfn first, Mfn end, bool read_only)
{
    if (!read_only)
        read_only_frames.remove(first, end);
    else if (!read_only_frames.add(first, end))
        return Errno::NoSpc;
    return {};
}

void export_frames(Mfn first, Mfn end)
{
    HV_ASSERT(exported.add(first, end));
}

bool device_frame_allowed(Mfn frame)
{
    return !denied.contains(frame);
}

bool device_frame_read_only(Mfn frame)
{
    return read_only_frames.contains(frame);
}

bool frame_exported(Mfn frame)
{
    return exported.contains(frame);
}

} // namespace hv
