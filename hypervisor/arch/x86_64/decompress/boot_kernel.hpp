// SPDX-License-Identifier: MIT
// Unpacks the control domain's kernel into boot memory.
#pragma once

#include <arch/x86_64/boot/memory_map.hpp>
#include <arch/x86_64/decompress/unpack.hpp>

namespace hv
{

struct UnpackedKernel
{
    std::span<std::byte const> image; // an ELF file, inside `memory` or, when that is empty, inside the module
    MachineRange memory;              // for the frame allocator, once the image has been loaded
};

// As unpack_kernel(), with an arena that is large enough. Before take_free_ranges(): the memory is not among those.
Result<UnpackedKernel> unpack_boot_kernel(std::span<std::byte const> module);

} // namespace hv
