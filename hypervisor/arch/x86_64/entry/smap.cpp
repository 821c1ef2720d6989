// SPDX-License-Identifier: MIT
// Patching STAC and CLAC in. The linker collects the places; our text is writable only for this moment (CR0.WP off).
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/entry/smap.hpp>

extern "C"
{
    extern std::uint64_t const smap_stac_start[], smap_stac_end[], smap_clac_start[], smap_clac_end[];
}

namespace hv
{
namespace
{

constexpr std::uint64_t kCr0WriteProtect = 1ull << 16;

void patch(std::uint64_t const* from, std::uint64_t const* end, std::uint8_t last_byte)
{
    for (; from != end; ++from)
    {
        auto* code = reinterpret_cast<std::uint8_t volatile*>(*from);
        code[1] = 0x01; // 0f 1f 00 (NOP) -> 0f 01 ca / cb
        code[2] = last_byte;
    }
}

} // namespace

void apply_smap_patches()
{
    write_cr0(read_cr0() & ~kCr0WriteProtect);
    patch(smap_stac_start, smap_stac_end, 0xcb);
    patch(smap_clac_start, smap_clac_end, 0xca);
    write_cr0(read_cr0() | kCr0WriteProtect);
    (void)cpuid(0); // serialises: the patched bytes are fetched anew
}

} // namespace hv
