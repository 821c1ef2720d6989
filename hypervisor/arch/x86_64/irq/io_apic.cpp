// SPDX-License-Identifier: MIT
// Register-level driver of the 82093AA IO-APIC and its successors (Intel data sheet 290566).
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/irq/io_apic.hpp>
#include <lib/log.hpp>
#include <lib/spinlock.hpp>

#include <iterator>

namespace hv
{
namespace
{

constexpr std::uint8_t kVersionIndex = 1;
constexpr std::uint8_t kFirstEntry = 0x10;
constexpr std::uint32_t kMasked = 1u << 16;
constexpr std::uint32_t kLevel = 1u << 15;
constexpr std::uint32_t kRemoteIrr = 1u << 14;
constexpr std::uint32_t kActiveLow = 1u << 13;

struct IoApic
{
    MachineAddress base;
    std::uint32_t volatile* window; // select at 0, data at 0x10
    std::uint32_t first_gsi;
    std::uint32_t lines;

    [[nodiscard]] std::uint32_t read(std::uint32_t index) const
    {
        window[0] = index;
        return window[4];
    }
    void write(std::uint32_t index, std::uint32_t value) const
    {
        window[0] = index;
        window[4] = value;
    }
};

struct Pin
{
    IoApic const* controller; // nullptr: no such line
    std::uint32_t index;      // of the low half of its entry
};

constinit IoApic controllers[8]{};
std::uint32_t controller_count;
constinit Irq reserved_gsis[4]{};
std::uint32_t reserved_count;
SpinLock register_lock{LockRank::IoApic}; // select and data are two accesses

Pin find_pin(Irq gsi)
{
    for (std::uint32_t i = 0; i < controller_count; ++i)
    {
        IoApic const& controller = controllers[i];
        if (gsi.raw() >= controller.first_gsi && gsi.raw() - controller.first_gsi < controller.lines)
            return {&controller, kFirstEntry + 2 * (gsi.raw() - controller.first_gsi)};
    }
    return {nullptr, 0};
}

void change_mask(Irq gsi, bool masked)
{
    Pin const line = find_pin(gsi);
    if (line.controller == nullptr)
        return;
    Guard guard(register_lock);
    std::uint32_t const low = line.controller->read(line.index);
    line.controller->write(line.index, masked ? low | kMasked : low & ~kMasked);
}

// The entry is masked while its halves disagree.
void write_entry(Pin line, CpuId cpu, std::uint32_t low)
{
    line.controller->write(line.index, low | kMasked);
    line.controller->write(line.index + 1, cpu_local(cpu).apic_id << 24);
    if ((low & kMasked) == 0)
        line.controller->write(line.index, low);
}

} // namespace

void start_io_apics()
{
    Firmware const& found = firmware();
    for (std::uint32_t i = 0; i < found.io_apic_count; ++i)
    {
        IoApic& controller = controllers[controller_count++];
        controller.base = found.io_apics[i].address;
        controller.window = static_cast<std::uint32_t volatile*>(map_device(controller.base, kPageSize));
        controller.first_gsi = found.io_apics[i].first_gsi;
        controller.lines = ((controller.read(kVersionIndex) >> 16) & 0xff) + 1;
        for (std::uint32_t line = 0; line < controller.lines; ++line)
            controller.write(kFirstEntry + 2 * line, kMasked);
        log_info("IO-APIC {} at {x}: GSI {} to {}", found.io_apics[i].id, controller.base, controller.first_gsi,
                 controller.first_gsi + controller.lines - 1);
    }
}

std::uint32_t gsi_limit()
{
    std::uint32_t limit = 16;
    for (std::uint32_t i = 0; i < controller_count; ++i)
        if (controllers[i].first_gsi + controllers[i].lines > limit)
            limit = controllers[i].first_gsi + controllers[i].lines;
    return limit;
}

Result<void> route_gsi(Irq gsi, CpuId cpu, std::uint8_t vector, Trigger trigger, Polarity polarity)
{
    Pin const line = find_pin(gsi);
    HV_REQUIRE(line.controller != nullptr, Errno::NoEnt);
    Guard guard(register_lock);
    write_entry(line, cpu,
                kMasked | (trigger == Trigger::Level ? kLevel : 0) | (polarity == Polarity::Low ? kActiveLow : 0) |
                    vector);
    return {};
}

Result<void> move_gsi(Irq gsi, CpuId cpu, std::uint8_t vector)
{
    Pin const line = find_pin(gsi);
    HV_REQUIRE(line.controller != nullptr, Errno::NoEnt);
    Guard guard(register_lock);
    std::uint32_t const low = line.controller->read(line.index) & (kMasked | kLevel | kActiveLow);
    write_entry(line, cpu, low | vector);
    return {};
}

void reserve_gsi(Irq gsi)
{
    HV_ASSERT(reserved_count < std::size(reserved_gsis));
    reserved_gsis[reserved_count++] = gsi;
}

bool is_reserved_gsi(Irq gsi)
{
    for (std::uint32_t i = 0; i < reserved_count; ++i)
        if (reserved_gsis[i] == gsi)
            return true;
    return false;
}

void mask_gsi(Irq gsi)
{
    change_mask(gsi, true);
}

void unmask_gsi(Irq gsi)
{
    change_mask(gsi, false);
}

bool gsi_is_asserted_unserved(Irq gsi)
{
    Pin const line = find_pin(gsi);
    if (line.controller == nullptr)
        return false;
    Guard guard(register_lock);
    return (line.controller->read(line.index) & kRemoteIrr) != 0;
}

Result<std::uint32_t> read_io_apic(MachineAddress base, std::uint8_t index)
{
    for (std::uint32_t i = 0; i < controller_count; ++i)
        if (controllers[i].base == base)
        {
            Guard guard(register_lock);
            return controllers[i].read(index);
        }
    return Errno::NoDev;
}

bool is_io_apic_page(Mfn frame)
{
    for (std::uint32_t i = 0; i < controller_count; ++i)
        if (to_mfn(controllers[i].base) == frame)
            return true;
    return false;
}

} // namespace hv
