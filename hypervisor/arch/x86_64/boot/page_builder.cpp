// SPDX-License-Identifier: MIT
// The walk behind PageBuilder: 4-level paging as in Intel SDM vol. 3, 4.5.
#include <arch/x86_64/boot/direct_map.hpp>
#include <arch/x86_64/boot/memory_map.hpp>
#include <arch/x86_64/boot/page_builder.hpp>
#include <arch/x86_64/cpu/features.hpp>
#include <core/mm/pte.hpp>
#include <lib/bug.hpp>

namespace hv
{
namespace
{

constexpr unsigned shift_of(unsigned level)
{
    return 12 + 9 * (level - 1);
}

constexpr unsigned index_of(std::uint64_t address, unsigned level)
{
    return (address >> shift_of(level)) & 511;
}

std::uint64_t* table_at(std::uint64_t entry)
{
    return direct_map<std::uint64_t>(MachineAddress{entry & pte::kAddress});
}

// Global, so only for what every address space has alike and guests cannot see.
std::uint64_t leaf_flags(Protection protection)
{
    std::uint64_t const global = cpu_features().global_pages ? pte::kGlobal : 0;
    std::uint64_t const no_execute = cpu_features().nx ? pte::kNoExecute : 0;
    std::uint64_t const base = pte::kPresent | pte::kAccessed;
    switch (protection)
    {
    case Protection::ReadOnly: return base | global | no_execute;
    case Protection::ReadWrite: return base | pte::kDirty | pte::kWritable | global | no_execute;
    case Protection::Execute: return base | global;
    case Protection::Device:
        return base | pte::kDirty | pte::kWritable | pte::kCacheDisable | pte::kWriteThrough | global | no_execute;
    case Protection::UserReadOnly: return base | pte::kUser | no_execute;
    }
    HV_BUG("unknown protection");
}

} // namespace

std::uint64_t* PageBuilder::table(std::uint64_t address, unsigned level)
{
    std::uint64_t* current = direct_map<std::uint64_t>(root_);
    for (unsigned at = 4; at > level; --at)
    {
        std::uint64_t& entry = current[index_of(address, at)];
        if (entry == 0)
        {
            // Only the M2P is for guests to see; everywhere else the tables themselves deny user access too.
            std::uint64_t const user = address < layout::kM2pEnd ? pte::kUser : 0;
            entry = boot_allocate(kPageSize).raw() | pte::kPresent | pte::kWritable | pte::kAccessed | user;
        }
        HV_ASSERT((entry & pte::kSuperpage) == 0);
        current = table_at(entry);
    }
    return current;
}

unsigned PageBuilder::choose_level(std::uint64_t address, std::uint64_t target, std::uint64_t size) const
{
    for (unsigned level = cpu_features().gigabyte_pages ? 3 : 2; level > 1; --level)
    {
        std::uint64_t const bytes = 1ull << shift_of(level);
        if (bytes <= largest_page_ && ((address | target) & (bytes - 1)) == 0 && size >= bytes)
            return level;
    }
    return 1;
}

void PageBuilder::map(std::uint64_t address, MachineAddress target, std::uint64_t size, Protection protection)
{
    HV_ASSERT(((address | target.raw() | size) & ~kPageMask) == 0);
    std::uint64_t const flags = leaf_flags(protection);
    while (size != 0)
    {
        unsigned const level = choose_level(address, target.raw(), size);
        std::uint64_t const bytes = 1ull << shift_of(level);
        std::uint64_t& entry = table(address, level)[index_of(address, level)];
        HV_ASSERT(entry == 0);
        entry = target.raw() | flags | (level > 1 ? pte::kSuperpage : 0);
        address += bytes;
        target = target + bytes;
        size -= bytes;
    }
}

bool PageBuilder::translate(std::uint64_t address, MachineAddress& out) const
{
    std::uint64_t const* current = direct_map<std::uint64_t const>(root_);
    for (unsigned level = 4; level != 0; --level)
    {
        std::uint64_t const entry = current[index_of(address, level)];
        if ((entry & pte::kPresent) == 0)
            return false;
        if (level == 1 || (entry & pte::kSuperpage) != 0)
        {
            std::uint64_t const mask = (1ull << shift_of(level)) - 1;
            out = MachineAddress{(entry & pte::kAddress & ~mask) | (address & mask)};
            return true;
        }
        current = table_at(entry);
    }
    return false;
}

} // namespace hv
