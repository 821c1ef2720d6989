// SPDX-License-Identifier: MIT
// Which segment descriptors and selectors a guest may have (surface 1.7): nothing may lead to a ring below 3.
#pragma once

#include <cstdint>

namespace hv::policy
{

// Checks one 8-byte GDT or LDT entry and rewrites it where the rules say so: DPL 1 and 2 (and 0) of code and data
// become 3; a call gate leads to DPL 0 through a selector that keeps the old DPL. False: the descriptor is refused.
// The upper half of a call gate has type 0 and passes as it is.
[[nodiscard]] bool audit_descriptor(std::uint64_t& descriptor);

// A selector that the guest wants loaded on entry or return: its requested privilege level becomes 3.
constexpr std::uint16_t fix_selector(std::uint16_t selector)
{
    return selector | 3;
}

// A data selector: null ones stay as they are.
constexpr std::uint16_t fix_data_selector(std::uint16_t selector)
{
    return selector > 3 ? selector | 3 : selector;
}

// The selector lies in our part of the GDT (index 7168 and up), of which a guest may use only the flat ones.
constexpr bool is_reserved_selector(std::uint16_t selector)
{
    return (selector & 4) == 0 && selector >= 0xe000;
}

// A code selector that a guest may enter through a gate: the flat ones of ours, or any of its own tables.
[[nodiscard]] bool is_guest_code_selector(std::uint16_t selector);

} // namespace hv::policy
