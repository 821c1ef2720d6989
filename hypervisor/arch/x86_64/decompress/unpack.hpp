// SPDX-License-Identifier: MIT
// From the kernel file of a distribution to the ELF image inside it.
#pragma once

#include <arch/x86_64/decompress/boot_arena.hpp>
#include <lib/result.hpp>

#include <cstddef>
#include <span>

namespace hv
{

// How large the arena for unpack_kernel(module) must be; 0 when it needs none. Same errors as unpack_kernel().
// Boot CPU, during boot.
Result<std::size_t> unpack_arena_bytes(std::span<std::byte const> module);

// Takes a bzImage (payload XZ, gzip, LZ4, zstd or plain) or an ELF file. Returns the ELF image: in the arena, which may
// be reused once the image is loaded, or for an uncompressed one inside the module. Checksums and sizes are verified.
// Every failure is logged with its cause: Inval damaged or no kernel, NoSys unknown compression, NoMem arena too small.
// Boot CPU, during boot, before any guest's floating-point state is on it.
Result<std::span<std::byte const>> unpack_kernel(std::span<std::byte const> module, BootArena& arena);

} // namespace hv
