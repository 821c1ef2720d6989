// SPDX-License-Identifier: MIT
// What the control of devices needs of the machine: interrupt lines, PCI, power. The architecture implements it once,
// tests implement it with arrays.
#pragma once

#include <lib/result.hpp>
#include <lib/strong.hpp>

#include <cstdint>
#include <span>

namespace hv
{

struct Line;

enum class Trigger : std::uint8_t
{
    Edge,
    Level,
};

enum class Polarity : std::uint8_t
{
    High,
    Low,
};

struct LineMode
{
    Trigger trigger;
    Polarity polarity;
    bool operator==(LineMode const&) const = default;
};

struct PciFunction
{
    std::uint16_t segment;
    std::uint8_t bus, devfn;
    bool operator==(PciFunction const&) const = default;
};

// What a function writes, and where to, in order to raise an interrupt.
struct MsiMessage
{
    std::uint64_t address;
    std::uint32_t data;
};

struct CpuIdentity
{
    std::uint32_t apic_id, acpi_id;
    std::uint32_t family, model, stepping;
    char vendor[12];
};

// Members may be called with a line's lock held and take none but the machine's own innermost ones, except
// connect_msi() and disconnect_msi(), which the caller calls with no line locked.
class DeviceMachine
{
public:
    // ---- lines of interrupt controllers
    virtual std::uint32_t gsi_limit() = 0;       // one past the highest
    virtual LineMode firmware_mode(Irq gsi) = 0; // what the firmware's tables say, or the bus's custom
    virtual bool gsi_is_ours(Irq gsi) = 0;       // used by the hypervisor itself
    // Routes the line to a vector, masked; from now on line_interrupt(line) is called. NoEnt, NoSpc.
    virtual Result<void> connect_gsi(Line& line, Irq gsi, LineMode mode) = 0;
    virtual void set_gsi_mode(Line& line, LineMode mode) = 0; // a connected line; masked afterwards
    virtual void mask_gsi(Irq gsi) = 0;
    virtual void unmask_gsi(Irq gsi) = 0;
    virtual Result<std::uint32_t> read_io_apic(MachineAddress base, std::uint32_t index) = 0; // NoDev

    // ---- messages. Consecutive vectors, the first aligned to the (power of two) count, for lines[0..]; returns the
    // first one's message, to whose data a line's index is added. NoSpc.
    virtual Result<MsiMessage> connect_msi(std::span<Line*> lines) = 0;
    virtual void disconnect_msi(Line& line) = 0; // nothing sends it any more; returns when its handler has ended

    // ---- PCI
    virtual std::uint32_t pci_read(PciFunction function, std::uint32_t offset, unsigned bytes) = 0;
    virtual void pci_write(PciFunction function, std::uint32_t offset, unsigned bytes, std::uint32_t value) = 0;
    virtual bool is_config_window(std::uint64_t address, std::uint16_t segment, unsigned first, unsigned last) = 0;
    // An uncached view of the frame that stays for good; nullptr when there is no room for more.
    virtual std::uint32_t volatile* map_registers(Mfn frame) = 0;

    // ---- the machine as a whole
    virtual CpuIdentity cpu_identity(CpuId cpu) = 0;
    virtual std::uint8_t keyboard_flags() = 0;                                  // shift state that the firmware left
    virtual void enter_sleep(std::uint16_t value_a, std::uint16_t value_b) = 0; // returns only when it did not work

protected:
    ~DeviceMachine() = default;
};

void set_device_machine(DeviceMachine* machine);
DeviceMachine& device_machine(); // set during boot, before any domain exists

} // namespace hv
