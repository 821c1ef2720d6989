// SPDX-License-Identifier: MIT
// A range of page-table entries taken at boot and filled one by one. An entry goes from not present to its final value
// once, so no TLB of any CPU ever holds an older translation of it.
#include <arch/x86_64/boot/direct_map.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/irq/register_window.hpp>
#include <core/mm/pte.hpp>
#include <lib/atomic.hpp>

namespace hv
{
namespace
{

constexpr unsigned kFrames = 128;
constexpr MachineAddress kAnyDevice{0xfee00000}; // what the entries name until they are cleared, a moment later

std::uint64_t base;
std::uint64_t template_flags;
std::uint64_t* entries[kFrames];
Mfn frames[kFrames];
unsigned used;

std::uint64_t* leaf_entry(std::uint64_t address)
{
    auto* table = direct_map<std::uint64_t>(MachineAddress{read_cr3() & pte::kAddress});
    for (unsigned level = 4; level > 1; --level)
        table = direct_map<std::uint64_t>(MachineAddress{table[pte::index(address, level)] & pte::kAddress});
    return table + pte::index(address, 1);
}

} // namespace

void create_register_window()
{
    base = reinterpret_cast<std::uint64_t>(map_device(kAnyDevice, kFrames * kPageSize));
    for (unsigned i = 0; i < kFrames; ++i)
    {
        entries[i] = leaf_entry(base + i * kPageSize);
        template_flags = *entries[i] & ~pte::kAddress;
        store_release(*entries[i], 0);
        invlpg(base + i * kPageSize);
    }
}

std::uint32_t volatile* map_register_frame(Mfn frame)
{
    unsigned i = 0;
    while (i < used && frames[i] != frame)
        ++i;
    if (i == kFrames)
        return nullptr;
    if (i == used)
    {
        frames[used++] = frame;
        store_release(*entries[i], to_address(frame).raw() | template_flags);
    }
    return reinterpret_cast<std::uint32_t volatile*>(base + i * kPageSize);
}

} // namespace hv
