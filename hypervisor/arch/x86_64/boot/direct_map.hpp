// SPDX-License-Identifier: MIT
// Conversions between machine addresses and the hypervisor's two fixed views of memory: direct map and image.
#pragma once

#include <arch/x86_64/cpu/layout.hpp>

namespace hv
{

// Valid for RAM (and, until the final page tables are loaded, for everything below 4 GiB).
template<typename T = void>
inline T* direct_map(MachineAddress address)
{
    return reinterpret_cast<T*>(layout::kDirectMap + address.raw());
}

// The machine address of an object of our image (code, data or bss).
inline MachineAddress image_address(void const* object)
{
    return MachineAddress{reinterpret_cast<std::uint64_t>(object) - layout::kImage};
}

// The machine address of something reached through the direct map.
inline MachineAddress direct_map_address(void const* object)
{
    return MachineAddress{reinterpret_cast<std::uint64_t>(object) - layout::kDirectMap};
}

} // namespace hv
