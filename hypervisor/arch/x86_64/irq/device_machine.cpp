// SPDX-License-Identifier: MIT
// The core's DeviceMachine on a PC: IO-APICs, local APIC vectors, configuration ports, ACPI's fixed registers.
#include <arch/x86_64/irq/device_machine.hpp>

#include <arch/x86_64/boot/boot_info.hpp>
#include <arch/x86_64/boot/direct_map.hpp>
#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/irq/io_apic.hpp>
#include <arch/x86_64/irq/pci_config.hpp>
#include <arch/x86_64/irq/register_window.hpp>
#include <arch/x86_64/irq/vectors.hpp>
#include <arch/x86_64/panic/panic.hpp>
#include <arch/x86_64/panic/reset.hpp>
#include <core/console/command_keys.hpp>
#include <core/console/console.hpp>
#include <core/evtchn/event_channels.hpp>
#include <core/irq/line.hpp>
#include <core/irq/pirq.hpp>
#include <lib/log.hpp>

namespace hv
{
namespace
{

void serve_line(void* line, TrapFrame&)
{
    line_interrupt(*static_cast<Line*>(line));
}

class PcDevices final : public DeviceMachine
{
public:
    std::uint32_t gsi_limit() override { return hv::gsi_limit(); }
    LineMode firmware_mode(Irq gsi) override;
    bool gsi_is_ours(Irq gsi) override { return is_reserved_gsi(gsi); }
    Result<void> connect_gsi(Line& line, Irq gsi, LineMode mode) override;
    void set_gsi_mode(Line& line, LineMode mode) override;
    void mask_gsi(Irq gsi) override { hv::mask_gsi(gsi); }
    void unmask_gsi(Irq gsi) override { hv::unmask_gsi(gsi); }
    Result<std::uint32_t> read_io_apic(MachineAddress base, std::uint32_t index) override;
    Result<MsiMessage> connect_msi(std::span<Line*> lines) override;
    void disconnect_msi(Line& line) override { release_vector(line.cpu, line.vector); }
    std::uint32_t pci_read(PciFunction function, std::uint32_t offset, unsigned bytes) override;
    void pci_write(PciFunction function, std::uint32_t offset, unsigned bytes, std::uint32_t value) override;
    bool is_config_window(std::uint64_t address, std::uint16_t segment, unsigned first, unsigned last) override;
    std::uint32_t volatile* map_registers(Mfn frame) override { return map_register_frame(frame); }
    CpuIdentity cpu_identity(CpuId cpu) override;
    std::uint8_t keyboard_flags() override;
    void enter_sleep(std::uint16_t value_a, std::uint16_t value_b) override;
};

constinit PcDevices the_devices;

// ISA lines as the MADT says, edge and active high where it is silent; all others are PCI's: level, active low.
LineMode PcDevices::firmware_mode(Irq gsi)
{
    for (IsaRoute const& route : firmware().isa)
        if (route.gsi == gsi)
            return {route.trigger, route.polarity};
    return gsi.raw() < 16 ? LineMode{Trigger::Edge, Polarity::High} : LineMode{Trigger::Level, Polarity::Low};
}

// The CPU that asks runs the driver's vCPU now: a good guess for where the interrupt is wanted.
Result<void> PcDevices::connect_gsi(Line& line, Irq gsi, LineMode mode)
{
    CpuId const cpu{this_cpu().id};
    std::uint8_t const vector = HV_TRY(allocate_vector(cpu, serve_line, &line));
    line.cpu = cpu;
    line.vector = vector;
    auto const routed = route_gsi(gsi, cpu, vector, mode.trigger, mode.polarity);
    if (!routed)
        release_vector(cpu, vector);
    return routed;
}

void PcDevices::set_gsi_mode(Line& line, LineMode mode)
{
    route_gsi(line.gsi, line.cpu, line.vector, mode.trigger, mode.polarity).value();
}

Result<std::uint32_t> PcDevices::read_io_apic(MachineAddress base, std::uint32_t index)
{
    HV_REQUIRE(index <= 0xff, Errno::Inval);
    return hv::read_io_apic(base, static_cast<std::uint8_t>(index));
}

Result<MsiMessage> PcDevices::connect_msi(std::span<Line*> lines)
{
    CpuId const cpu{this_cpu().id};
    std::uint8_t const first = HV_TRY(allocate_vector_block(cpu, serve_line, lines));
    for (std::size_t i = 0; i < lines.size(); ++i)
    {
        lines[i]->cpu = cpu;
        lines[i]->vector = static_cast<std::uint8_t>(first + i);
    }
    return msi_message(cpu, first);
}

// Mechanism #1 reaches the first 256 bytes of segment 0; elsewhere nothing answers, as on the bus.
std::uint32_t PcDevices::pci_read(PciFunction function, std::uint32_t offset, unsigned bytes)
{
    if (function.segment != 0 || offset > 0xff)
        return bytes == 1 ? 0xff : bytes == 2 ? 0xffff : ~0u;
    std::uint32_t const address = pci_address(function.bus, function.devfn, static_cast<std::uint8_t>(offset));
    return pci_config_read(address, offset & 3, bytes);
}

void PcDevices::pci_write(PciFunction function, std::uint32_t offset, unsigned bytes, std::uint32_t value)
{
    if (function.segment != 0 || offset > 0xff)
        return;
    std::uint32_t const address = pci_address(function.bus, function.devfn, static_cast<std::uint8_t>(offset));
    pci_config_write(address, offset & 3, bytes, value);
}

bool PcDevices::is_config_window(std::uint64_t address, std::uint16_t segment, unsigned first, unsigned last)
{
    Firmware const& found = firmware();
    for (std::uint32_t i = 0; i < found.mcfg_count; ++i)
    {
        McfgWindow const& window = found.mcfg[i];
        if (window.base.raw() == address && window.segment == segment && first >= window.first_bus &&
            last <= window.last_bus)
            return true;
    }
    return false;
}

CpuIdentity PcDevices::cpu_identity(CpuId cpu)
{
    CpuFeatures const& features = cpu_features();
    CpuIdentity identity{};
    identity.apic_id = cpu_local(cpu).apic_id;
    identity.acpi_id = identity.apic_id;
    for (std::uint32_t i = 0; i < firmware().cpu_count; ++i)
        if (firmware().cpus[i].apic_id == identity.apic_id)
            identity.acpi_id = firmware().cpus[i].acpi_id;
    identity.family = features.family;
    identity.model = features.model;
    identity.stepping = features.stepping;
    CpuidRegisters const leaf = cpuid(0);
    __builtin_memcpy(identity.vendor, &leaf.ebx, 4);
    __builtin_memcpy(identity.vendor + 4, &leaf.edx, 4);
    __builtin_memcpy(identity.vendor + 8, &leaf.ecx, 4);
    return identity;
}

// Byte 0x417 of the BIOS data area, where there is a BIOS that keeps one.
std::uint8_t PcDevices::keyboard_flags()
{
    constexpr std::uint64_t kShiftFlags = 0x417;
    for (MemoryMapEntry const& entry : boot_info().memory())
        if (entry.type == MemoryMapEntry::Ram && entry.start == 0)
            return *direct_map<std::uint8_t volatile>(MachineAddress{kShiftFlags});
    return 0;
}

void PcDevices::enter_sleep(std::uint16_t value_a, std::uint16_t value_b)
{
    if (firmware().pm1a_control == 0)
        return;
    log_info("the control domain switches the machine off");
    enter_sleep_state(value_a, value_b);
    log_error("the machine did not switch itself off; it is stopped and may be switched off by hand");
    halt_forever();
}

} // namespace

void start_device_machine()
{
    create_register_window();
    set_device_machine(&the_devices);
    pirqs_start();
    console().hooks.input_ready = [] { raise_global_virq(VIRQ_CONSOLE); };
    console().hooks.command_key = command_key;
    console().hooks.ring_grew = [] { fetch_or(this_cpu().work, work::kConsoleRing); };
}

} // namespace hv
