// SPDX-License-Identifier: MIT
// The smaller tables: FADT (power, reset, PM timer), HPET and MCFG.
#include <arch/x86_64/acpi/tables.hpp>

#include <iterator>

namespace hv
{
namespace
{

using Bytes = std::span<std::byte const>;

constexpr std::uint8_t kSpaceIo = 1;

GenericAddress read_generic_address(Bytes table, std::size_t offset)
{
    return {table_field<std::uint8_t>(table, offset), table_field<std::uint8_t>(table, offset + 1),
            table_field<std::uint8_t>(table, offset + 2), table_field<std::uint8_t>(table, offset + 3),
            table_field<std::uint64_t>(table, offset + 4)};
}

// The 64-bit field where the table has it and it names an I/O port, else the old 32-bit field.
std::uint16_t io_port(Bytes table, std::size_t extended_offset, std::size_t old_offset)
{
    GenericAddress const extended = read_generic_address(table, extended_offset);
    if (extended.space == kSpaceIo && extended.address != 0 && extended.address <= 0xffff)
        return static_cast<std::uint16_t>(extended.address);
    return static_cast<std::uint16_t>(table_field<std::uint32_t>(table, old_offset));
}

} // namespace

// ACPI 6.4, table 5.9.
void read_fadt(Firmware& result, Bytes table)
{
    constexpr std::uint32_t kResetSupported = 1u << 10;
    constexpr std::uint32_t kTimer32Bit = 1u << 8;
    constexpr std::uint16_t k8042 = 1u << 1;
    auto const revision = table_field<std::uint8_t>(table, 8);
    auto const flags = table_field<std::uint32_t>(table, 112);
    result.sci = Irq{table_field<std::uint16_t>(table, 46)};
    result.pm1a_event = io_port(table, 148, 56);
    result.pm1b_event = io_port(table, 160, 60);
    result.pm1a_control = io_port(table, 172, 64);
    result.pm1b_control = io_port(table, 184, 68);
    result.pm_timer_port = io_port(table, 208, 76);
    result.pm_timer_32_bit = (flags & kTimer32Bit) != 0;
    result.century_register = table_field<std::uint8_t>(table, 108);
    result.has_8042 = revision < 2 || (table_field<std::uint16_t>(table, 109) & k8042) != 0;
    auto const wide_dsdt = revision >= 3 ? table_field<std::uint64_t>(table, 140) : 0;
    auto const dsdt = wide_dsdt != 0 ? wide_dsdt : table_field<std::uint32_t>(table, 40);
    if (dsdt != 0)
        read_dsdt(result, map_firmware_table(MachineAddress{dsdt}));
    if ((flags & kResetSupported) == 0)
        return;
    result.reset_register = read_generic_address(table, 116);
    result.reset_value = table_field<std::uint8_t>(table, 128);
    result.has_reset_register = result.reset_register.address != 0;
}

// IA-PC HPET specification 1.0a, 3.2.4.
void read_hpet_table(Firmware& result, Bytes table)
{
    GenericAddress const base = read_generic_address(table, 40);
    if (base.space == 0)
        result.hpet = MachineAddress{base.address};
}

// PCI Firmware specification 3.0, 4.1.2.
void read_mcfg(Firmware& result, Bytes table)
{
    for (std::size_t offset = 44; offset + 16 <= table.size(); offset += 16)
        if (result.mcfg_count < std::size(result.mcfg))
            result.mcfg[result.mcfg_count++] = {MachineAddress{table_field<std::uint64_t>(table, offset)},
                                                table_field<std::uint16_t>(table, offset + 8),
                                                table_field<std::uint8_t>(table, offset + 10),
                                                table_field<std::uint8_t>(table, offset + 11)};
}

} // namespace hv
