// SPDX-License-Identifier: MIT
// Register access of the local APIC in xAPIC and x2APIC mode (Intel SDM vol. 3, chapter 10).
#include <arch/x86_64/acpi/tables.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/irq/local_apic.hpp>
#include <arch/x86_64/irq/vectors.hpp>

namespace hv
{
namespace
{

enum Register : std::uint32_t // offsets in the xAPIC page; x2APIC MSR = 0x800 + offset / 16
{
    kId = 0x20,
    kVersion = 0x30,
    kTaskPriority = 0x80,
    kEndOfInterrupt = 0xb0,
    kLogicalDestination = 0xd0,
    kDestinationFormat = 0xe0,
    kSpuriousVector = 0xf0,
    kErrorStatus = 0x280,
    kCommandLow = 0x300,
    kCommandHigh = 0x310,
    kTimerEntry = 0x320,
    kThermalEntry = 0x330,
    kPerformanceEntry = 0x340,
    kLine0Entry = 0x350,
    kLine1Entry = 0x360,
    kErrorEntry = 0x370,
    kTimerInitial = 0x380,
    kTimerCurrent = 0x390,
    kTimerDivide = 0x3e0,
};

constexpr std::uint32_t kMasked = 1u << 16;
constexpr std::uint32_t kDeliverNmi = 4u << 8;
constexpr std::uint32_t kDeliverInit = 5u << 8;
constexpr std::uint32_t kDeliverStartup = 6u << 8;
constexpr std::uint32_t kAssert = 1u << 14;
constexpr std::uint32_t kPending = 1u << 12;
constexpr std::uint32_t kEnable = 1u << 8;
constexpr std::uint32_t kDivideByOne = 0xb;
constexpr std::uint32_t kTimerDeadlineMode = 2u << 17;
constexpr std::uint64_t kBaseEnable = 1ull << 11;
constexpr std::uint64_t kBaseX2Apic = 1ull << 10;
constexpr unsigned kSendSpinLimit = 1u << 20;

std::uint32_t volatile* registers; // nullptr in x2APIC mode

std::uint32_t read(Register offset)
{
    if (registers != nullptr)
        return registers[offset / 4];
    return static_cast<std::uint32_t>(read_msr(0x800 + offset / 16));
}

void write(Register offset, std::uint32_t value)
{
    if (registers != nullptr)
        registers[offset / 4] = value;
    else
        write_msr(0x800 + offset / 16, value);
}

void command(std::uint32_t apic_id, std::uint32_t low)
{
    if (registers == nullptr)
    {
        full_barrier(); // WRMSR to the ICR does not wait for earlier stores (SDM vol. 3, 10.12.3)
        asm volatile("lfence" : : : "memory");
        write_msr(0x830, (std::uint64_t{apic_id} << 32) | low);
        return;
    }
    for (unsigned i = 0; i < kSendSpinLimit && (read(kCommandLow) & kPending) != 0; ++i)
        pause();
    write(kCommandHigh, apic_id << 24);
    write(kCommandLow, low);
}

} // namespace

void map_local_apic()
{
    // The mode that the firmware left is kept; only it can have decided for x2APIC because of large identifiers.
    std::uint64_t const base = read_msr(msr::kApicBase);
    if ((base & kBaseX2Apic) == 0)
        registers = static_cast<std::uint32_t volatile*>(map_device(firmware().local_apic, kPageSize));
}

void start_local_apic()
{
    std::uint64_t const mode = registers == nullptr ? kBaseX2Apic : 0;
    write_msr(msr::kApicBase, read_msr(msr::kApicBase) | kBaseEnable | mode);
    if (registers != nullptr)
    {
        write(kDestinationFormat, ~0u);
        write(kLogicalDestination, 0);
    }
    write(kTaskPriority, 0);
    write(kTimerEntry, kMasked | vector::kTimer);
    write(kTimerDivide, kDivideByOne);
    write(kPerformanceEntry, kMasked);
    write(kLine0Entry, kMasked);
    write(kLine1Entry, kDeliverNmi);
    write(kSpuriousVector, kEnable | vector::kSpurious);
    write(kErrorStatus, 0);
    write(kErrorEntry, vector::kError);
}

std::uint32_t local_apic_id()
{
    return registers != nullptr ? read(kId) >> 24 : read(kId);
}

std::uint32_t local_apic_version()
{
    return read(kVersion);
}

std::uint32_t local_apic_error()
{
    write(kErrorStatus, 0);
    return read(kErrorStatus);
}

void local_apic_end_of_interrupt()
{
    write(kEndOfInterrupt, 0);
}

void send_ipi(CpuId cpu, std::uint8_t vector)
{
    command(cpu_local(cpu).apic_id, vector);
}

void send_init(std::uint32_t apic_id)
{
    command(apic_id, kDeliverInit | kAssert);
}

void send_startup(std::uint32_t apic_id, MachineAddress page)
{
    command(apic_id, kDeliverStartup | static_cast<std::uint32_t>(page.raw() >> kPageShift));
}

void send_nmi(CpuId cpu)
{
    command(cpu_local(cpu).apic_id, kDeliverNmi);
}

void local_apic_timer_start(std::uint32_t ticks)
{
    write(kTimerEntry, vector::kTimer | (ticks == 0 ? kMasked : 0));
    write(kTimerInitial, ticks);
}

std::uint32_t local_apic_timer_count()
{
    return read(kTimerCurrent);
}

void local_apic_timer_use_deadline()
{
    write(kTimerEntry, vector::kTimer | kTimerDeadlineMode);
    full_barrier(); // orders the mode before the first deadline in xAPIC mode (SDM vol. 3, 10.5.4.1)
}

} // namespace hv
