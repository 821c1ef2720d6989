// SPDX-License-Identifier: MIT
// The IO-APICs: device interrupt lines, named by GSI, routed to a vector of a CPU.
#pragma once

#include <arch/x86_64/acpi/tables.hpp>
#include <lib/result.hpp>

#include <cstdint>

namespace hv
{

// Maps every IO-APIC and masks all of its lines. Boot CPU, after read_firmware_tables().
void start_io_apics();

// One past the highest GSI.
std::uint32_t gsi_limit();

// Sends `gsi` to `vector` on `cpu`; the line stays masked (or becomes so). NoEnt when no IO-APIC has that line.
Result<void> route_gsi(Irq gsi, CpuId cpu, std::uint8_t vector, Trigger trigger, Polarity polarity);

// Moves a routed line to another CPU and vector, keeping trigger, polarity and mask.
Result<void> move_gsi(Irq gsi, CpuId cpu, std::uint8_t vector);

// The hypervisor uses the line itself: no domain can bind it. Boot only.
void reserve_gsi(Irq gsi);
bool is_reserved_gsi(Irq gsi);

// No effect on lines that do not exist. A level line that is still asserted interrupts again when it is unmasked.
void mask_gsi(Irq gsi);
void unmask_gsi(Irq gsi);
bool gsi_is_asserted_unserved(Irq gsi); // level line delivered and not yet acknowledged (remote IRR)

// Register windows for PHYSDEVOP_apic_read: the machine's own values. NoDev when nothing is at `base`.
Result<std::uint32_t> read_io_apic(MachineAddress base, std::uint8_t index);
bool is_io_apic_page(Mfn frame);

} // namespace hv
