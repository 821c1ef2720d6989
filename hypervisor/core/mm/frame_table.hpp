// SPDX-License-Identifier: MIT
// The frame table itself, and the step from "no reference left" to "free"; used by core/mm only.
#pragma once

#include <core/mm/frame.hpp>

namespace hv
{

struct FrameTable
{
    FrameInfo* base = nullptr;
    Mfn end{}; // number of records
};
extern FrameTable g_frames;

// Boot: every record starts as device memory (owner DOMID_IO, not referenced); RAM ranges become ours, then free.
void init_frame_table(FrameInfo* base, Mfn end);
void mark_hypervisor_range(Mfn first, Mfn end);

namespace detail
{

// The last reference is gone: unlinks the frame from its owner and gives it to the allocator.
void free_unreferenced(Mfn frame, FrameInfo& info);

} // namespace detail
} // namespace hv
