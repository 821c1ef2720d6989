// SPDX-License-Identifier: MIT
// Looks addresses up in the table that gensymbols.py embeds in the second link.
#include <arch/x86_64/panic/panic.hpp>

namespace hv
{
namespace
{

struct SymbolTable
{
    std::uint64_t count;
    std::uint64_t base;
    std::uint32_t const* addresses; // from base, ascending
    std::uint32_t const* name_offsets;
    char const* names;
};

} // namespace
} // namespace hv

extern "C" char text_end[];
extern "C" hv::SymbolTable const symbol_table;

namespace hv
{

char const* find_symbol(std::uint64_t address, std::uint64_t& offset)
{
    if (symbol_table.count == 0 || address < symbol_table.base || address >= reinterpret_cast<std::uint64_t>(text_end))
        return nullptr;
    std::uint64_t const distance = address - symbol_table.base;
    std::uint64_t low = 0;
    std::uint64_t high = symbol_table.count;
    while (high - low > 1)
    {
        std::uint64_t const middle = low + (high - low) / 2;
        if (symbol_table.addresses[middle] <= distance)
            low = middle;
        else
            high = middle;
    }
    offset = distance - symbol_table.addresses[low];
    return symbol_table.names + symbol_table.name_offsets[low];
}

} // namespace hv
