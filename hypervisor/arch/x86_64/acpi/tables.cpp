// SPDX-License-Identifier: MIT
// Finds the root tables (ACPI 6.4, 5.2.5 to 5.2.8) and hands each table to its reader.
#include <arch/x86_64/acpi/tables.hpp>
#include <arch/x86_64/boot/boot_info.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <lib/log.hpp>

#include <cstring>

namespace hv
{
namespace
{

constexpr std::size_t kHeaderBytes = 36;
constexpr std::size_t kMaxTableBytes = 1u << 20;
constexpr std::uint32_t kMaxRootEntries = 128;

constinit Firmware the_firmware{};
std::span<std::byte const> root_table;
unsigned root_entry_bytes;

bool sums_to_zero(std::byte const* data, std::size_t size)
{
    std::uint8_t sum = 0;
    for (std::size_t i = 0; i < size; ++i)
        sum = static_cast<std::uint8_t>(sum + std::to_integer<std::uint8_t>(data[i]));
    return sum == 0;
}

bool is_root_pointer(std::byte const* data)
{
    return std::memcmp(data, "RSD PTR ", 8) == 0 && sums_to_zero(data, 20);
}

// BIOS machines keep the root pointer in the first KiB of the EBDA or in the BIOS area, 16-byte aligned.
std::byte const* scan_for_root_pointer()
{
    constexpr std::uint64_t kMegabyte = 1u << 20;
    auto const* low = static_cast<std::byte const*>(map_firmware(MachineAddress{0}, kMegabyte));
    std::uint16_t segment = 0;
    std::memcpy(&segment, low + 0x40e, sizeof(segment));
    std::uint64_t const extended = std::uint64_t{segment} << 4;
    if (extended >= 0x400 && extended + 1024 <= kMegabyte)
        for (std::uint64_t at = extended; at < extended + 1024; at += 16)
            if (is_root_pointer(low + at))
                return low + at;
    for (std::uint64_t at = 0xe0000; at < kMegabyte; at += 16)
        if (is_root_pointer(low + at))
            return low + at;
    return nullptr;
}

bool open_root_table(std::byte const* pointer)
{
    std::uint32_t rsdt = 0;
    std::uint64_t xsdt = 0;
    std::memcpy(&rsdt, pointer + 16, sizeof(rsdt));
    if (std::to_integer<unsigned>(pointer[15]) >= 2)
        std::memcpy(&xsdt, pointer + 24, sizeof(xsdt));
    root_entry_bytes = xsdt != 0 ? 8 : 4;
    root_table = map_firmware_table(MachineAddress{xsdt != 0 ? xsdt : rsdt});
    return !root_table.empty() && sums_to_zero(root_table.data(), root_table.size());
}

void set_defaults(Firmware& result)
{
    result.local_apic = MachineAddress{0xfee00000};
    result.has_8042 = true;
    for (std::uint32_t i = 0; i < 16; ++i)
        result.isa[i] = {Irq{i}, Trigger::Edge, Polarity::High};
}

void read_table(char const* signature, void (*read)(Firmware&, std::span<std::byte const>))
{
    std::span<std::byte const> const table = find_firmware_table(signature);
    if (table.empty())
        return;
    if (!sums_to_zero(table.data(), table.size()))
        log_warning("ACPI table {} has a wrong checksum; using it all the same", signature);
    read(the_firmware, table);
}

} // namespace

std::span<std::byte const> map_firmware_table(MachineAddress address)
{
    auto const* header = static_cast<std::byte const*>(map_firmware(address, kHeaderBytes));
    std::uint32_t length = 0;
    std::memcpy(&length, header + 4, sizeof(length));
    if (length < kHeaderBytes || length > kMaxTableBytes)
        return {};
    if ((address.raw() & ~kPageMask) + length <= kPageSize)
        return {header, length}; // the page that is mapped already holds it all
    return {static_cast<std::byte const*>(map_firmware(address, length)), length};
}

std::span<std::byte const> find_firmware_table(char const* signature)
{
    std::size_t offset = kHeaderBytes;
    for (std::uint32_t i = 0; i < kMaxRootEntries && offset + root_entry_bytes <= root_table.size(); ++i)
    {
        std::uint64_t address = 0;
        std::memcpy(&address, root_table.data() + offset, root_entry_bytes);
        offset += root_entry_bytes;
        if (address == 0)
            continue;
        auto const* header = static_cast<std::byte const*>(map_firmware(MachineAddress{address}, kHeaderBytes));
        if (std::memcmp(header, signature, 4) == 0)
            return map_firmware_table(MachineAddress{address});
    }
    return {};
}

void read_firmware_tables(BootInfo const& info, bool use_acpi)
{
    set_defaults(the_firmware);
    auto const* given = reinterpret_cast<std::byte const*>(info.rsdp);
    std::byte const* const pointer = !use_acpi ? nullptr : info.has_rsdp ? given : scan_for_root_pointer();
    if (pointer == nullptr || !open_root_table(pointer))
    {
        log_warning("No ACPI tables: one CPU, no power-off");
        root_table = {};
        return;
    }
    the_firmware.found = true;
    read_table("APIC", read_madt);
    read_table("FACP", read_fadt);
    read_table("HPET", read_hpet_table);
    read_table("MCFG", read_mcfg);
}

Firmware const& firmware()
{
    return the_firmware;
}

} // namespace hv
