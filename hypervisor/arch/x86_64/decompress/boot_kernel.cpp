// SPDX-License-Identifier: MIT
// Sizes the arena for a kernel and takes it from boot memory.
#include <arch/x86_64/boot/direct_map.hpp>
#include <arch/x86_64/decompress/boot_kernel.hpp>
#include <lib/log.hpp>

namespace hv
{

Result<UnpackedKernel> unpack_boot_kernel(std::span<std::byte const> module)
{
    std::size_t const bytes = (HV_TRY(unpack_arena_bytes(module)) + kPageSize - 1) & kPageMask;
    if (bytes == 0)
        return UnpackedKernel{module, {}};
    if (!boot_memory_has(bytes))
    {
        log_error("Unpacking the kernel needs {} MiB of contiguous memory. Give the machine more.", bytes >> 20);
        return Errno::NoMem;
    }
    MachineRange const memory{boot_reserve(bytes), bytes};
    BootArena arena({direct_map<std::byte>(memory.start), bytes});
    return UnpackedKernel{HV_TRY(unpack_kernel(module, arena)), memory};
}

} // namespace hv
