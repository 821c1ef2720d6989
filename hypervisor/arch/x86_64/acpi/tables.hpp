// SPDX-License-Identifier: MIT
// What the firmware's ACPI tables say about this machine, copied out once during boot.
#pragma once

#include <core/irq/device_machine.hpp>
#include <lib/cpu_mask.hpp>
#include <lib/strong.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace hv
{

struct BootInfo;

struct FirmwareCpu
{
    std::uint32_t apic_id;
    std::uint32_t acpi_id; // processor UID of the MADT
};

struct FirmwareIoApic
{
    MachineAddress address;
    std::uint32_t first_gsi;
    std::uint8_t id;
};

// How an ISA interrupt reaches the IO-APICs; 16 of them, identity where the MADT has no override.
struct IsaRoute
{
    Irq gsi;
    Trigger trigger;
    Polarity polarity;
};

struct GenericAddress // ACPI 6.4, 5.2.3.2; space 0 memory, 1 I/O port, 2 PCI configuration
{
    std::uint8_t space, bit_width, bit_offset, access_size;
    std::uint64_t address;
};

struct McfgWindow
{
    MachineAddress base;
    std::uint16_t segment;
    std::uint8_t first_bus, last_bus;
};

struct Firmware
{
    bool found; // the rest means defaults when false
    std::uint32_t cpu_count;
    FirmwareCpu cpus[kMaxCpus]; // enabled ones, in the order of the MADT
    std::uint32_t ignored_cpus; // enabled, but beyond kMaxCpus
    MachineAddress local_apic;
    std::uint32_t io_apic_count;
    FirmwareIoApic io_apics[8];
    IsaRoute isa[16];
    bool has_8042;
    std::uint16_t pm_timer_port; // 0: none
    bool pm_timer_32_bit;
    std::uint16_t pm1a_control, pm1b_control; // 0: none
    std::uint16_t pm1a_event, pm1b_event;
    bool has_off_types; // what PM1a and PM1b control take for S5
    std::uint8_t off_type_a, off_type_b;
    std::uint8_t century_register; // CMOS index, 0: none
    Irq sci;
    bool has_reset_register;
    GenericAddress reset_register;
    std::uint8_t reset_value;
    MachineAddress hpet; // 0: none
    std::uint32_t mcfg_count;
    McfgWindow mcfg[8];
};

// Boot CPU, final page tables loaded.
void read_firmware_tables(BootInfo const& info, bool use_acpi);
Firmware const& firmware();

// A whole table by signature, mapped read-only; empty when there is none. Boot only (mappings are never undone).
std::span<std::byte const> find_firmware_table(char const* signature);

// The table at an address that another table gives; empty when its length makes no sense. Boot only.
std::span<std::byte const> map_firmware_table(MachineAddress address);

void read_dsdt(Firmware& result, std::span<std::byte const> table);
void read_madt(Firmware& result, std::span<std::byte const> table);
void read_fadt(Firmware& result, std::span<std::byte const> table);
void read_hpet_table(Firmware& result, std::span<std::byte const> table);
void read_mcfg(Firmware& result, std::span<std::byte const> table);

// Reads a field at a byte offset, 0 beyond the table's end.
template<typename T>
T table_field(std::span<std::byte const> table, std::size_t offset)
{
    T value{};
    if (offset + sizeof(T) <= table.size())
        __builtin_memcpy(&value, table.data() + offset, sizeof(T));
    return value;
}

} // namespace hv
