// SPDX-License-Identifier: MIT
// Views of device registers that are made while domains run: the boot allocator is gone by then.
#pragma once

#include <lib/strong.hpp>

#include <cstdint>

namespace hv
{

// Boot CPU, while map_device() works: sets address space and page tables aside.
void create_register_window();

// An uncached view of a device's frame, the same one for the same frame, for good. nullptr when the window is full.
// Callers exclude each other.
std::uint32_t volatile* map_register_frame(Mfn frame);

} // namespace hv
