// SPDX-License-Identifier: MIT
// Multiple APIC Description Table (ACPI 6.4, 5.2.12): CPUs, IO-APICs and how ISA interrupts are wired.
#include <arch/x86_64/acpi/tables.hpp>
#include <lib/log.hpp>

#include <iterator>

namespace hv
{
namespace
{

using Bytes = std::span<std::byte const>;

enum EntryType : std::uint8_t
{
    kLocalApic = 0,
    kIoApic = 1,
    kInterruptOverride = 2,
    kLocalApicAddress = 5,
    kLocalX2Apic = 9,
};

constexpr std::uint32_t kEnabled = 1;
constexpr std::size_t kFirstEntry = 44;

void add_cpu(Firmware& result, std::uint32_t apic_id, std::uint32_t acpi_id, std::uint32_t flags)
{
    if ((flags & kEnabled) == 0)
        return;
    for (std::uint32_t i = 0; i < result.cpu_count; ++i)
        if (result.cpus[i].apic_id == apic_id)
            return; // some firmware lists a CPU both as APIC and as x2APIC
    if (result.cpu_count == kMaxCpus)
        ++result.ignored_cpus;
    else
        result.cpus[result.cpu_count++] = {apic_id, acpi_id};
}

void add_io_apic(Firmware& result, Bytes entry)
{
    if (result.io_apic_count == std::size(result.io_apics))
    {
        log_warning("More IO-APICs than can be used; ignoring one");
        return;
    }
    result.io_apics[result.io_apic_count++] = {MachineAddress{table_field<std::uint32_t>(entry, 4)},
                                               table_field<std::uint32_t>(entry, 8),
                                               table_field<std::uint8_t>(entry, 2)};
}

// Flags as in the MPS specification: 0 conforms to the bus (ISA: edge, active high), 1 high/edge, 3 low/level.
void add_override(Firmware& result, Bytes entry)
{
    auto const source = table_field<std::uint8_t>(entry, 3);
    auto const flags = table_field<std::uint16_t>(entry, 8);
    if (source >= std::size(result.isa))
        return;
    result.isa[source] = {Irq{table_field<std::uint32_t>(entry, 4)},
                          ((flags >> 2) & 3) == 3 ? Trigger::Level : Trigger::Edge,
                          (flags & 3) == 3 ? Polarity::Low : Polarity::High};
}

} // namespace

void read_madt(Firmware& result, Bytes table)
{
    result.local_apic = MachineAddress{table_field<std::uint32_t>(table, 36)};
    for (std::size_t offset = kFirstEntry; offset + 2 <= table.size();)
    {
        auto const length = table_field<std::uint8_t>(table, offset + 1);
        if (length < 2 || offset + length > table.size())
            break;
        Bytes const entry = table.subspan(offset, length);
        switch (table_field<std::uint8_t>(entry, 0))
        {
        case kLocalApic:
            add_cpu(result, table_field<std::uint8_t>(entry, 3), table_field<std::uint8_t>(entry, 2),
                    table_field<std::uint32_t>(entry, 4));
            break;
        case kLocalX2Apic:
            add_cpu(result, table_field<std::uint32_t>(entry, 4), table_field<std::uint32_t>(entry, 12),
                    table_field<std::uint32_t>(entry, 8));
            break;
        case kIoApic: add_io_apic(result, entry); break;
        case kInterruptOverride: add_override(result, entry); break;
        case kLocalApicAddress: result.local_apic = MachineAddress{table_field<std::uint64_t>(entry, 4)}; break;
        default: break;
        }
        offset += length;
    }
}

} // namespace hv
