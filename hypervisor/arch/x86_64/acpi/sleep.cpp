// SPDX-License-Identifier: MIT
// How the machine is switched off, for when the control domain does not know: the package \_S5_ of the DSDT. This is no
// AML interpreter: it reads the one constant that every firmware writes as a plain package (ACPI 6.4, 7.4.2 and 20.2).
#include <arch/x86_64/acpi/tables.hpp>

#include <cstring>

namespace hv
{
namespace
{

using Bytes = std::span<std::byte const>;

constexpr std::uint8_t kNameOp = 0x08;
constexpr std::uint8_t kPackageOp = 0x12;
constexpr std::uint8_t kByteOp = 0x0a;
constexpr std::uint8_t kSleepTypes = 7; // three bits

std::uint8_t at(Bytes table, std::size_t offset)
{
    return offset < table.size() ? std::to_integer<std::uint8_t>(table[offset]) : 0xff;
}

// Zero, One, or a byte constant; false for anything else. Moves `offset` behind it.
bool read_constant(Bytes table, std::size_t& offset, std::uint8_t& value)
{
    value = at(table, offset++);
    if (value == kByteOp)
        value = at(table, offset++);
    else if (value > 1)
        return false;
    return value <= kSleepTypes;
}

// The package after a name at `offset`: its length takes 1 to 4 bytes, then follow the count and the elements.
bool read_package(Bytes table, std::size_t offset, Firmware& result)
{
    if (at(table, offset) != kPackageOp)
        return false;
    offset += 2 + (at(table, offset + 1) >> 6);
    std::uint8_t const count = at(table, offset++);
    return count >= 2 && read_constant(table, offset, result.off_type_a) &&
           read_constant(table, offset, result.off_type_b);
}

} // namespace

void read_dsdt(Firmware& result, Bytes table)
{
    constexpr std::size_t kNameBytes = 4;
    for (std::size_t offset = 2; offset + kNameBytes < table.size() && !result.has_off_types; ++offset)
    {
        if (std::memcmp(table.data() + offset, "_S5_", kNameBytes) != 0)
            continue;
        bool const named =
            at(table, offset - 1) == kNameOp || (at(table, offset - 1) == '\\' && at(table, offset - 2) == kNameOp);
        result.has_off_types = named && read_package(table, offset + kNameBytes, result);
    }
}

} // namespace hv
