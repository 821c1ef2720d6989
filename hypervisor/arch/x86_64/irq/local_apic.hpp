// SPDX-License-Identifier: MIT
// The interrupt controller of each CPU: inter-processor interrupts, acknowledgement, one-shot timer.
#pragma once

#include <lib/strong.hpp>

#include <cstdint>

namespace hv
{

void map_local_apic();   // boot CPU, once, before any use
void start_local_apic(); // on each CPU

std::uint32_t local_apic_id();
std::uint32_t local_apic_version();
std::uint32_t local_apic_error(); // reads and clears
void local_apic_end_of_interrupt();

void send_ipi(CpuId cpu, std::uint8_t vector);
void send_init(std::uint32_t apic_id);
void send_startup(std::uint32_t apic_id, MachineAddress page); // page below 1 MiB
void send_nmi(CpuId cpu);

// The timer counts down from `ticks` at one tick per bus clock and raises vector::kTimer at 0; 0 stops it.
void local_apic_timer_start(std::uint32_t ticks);
std::uint32_t local_apic_timer_count();
void local_apic_timer_use_deadline(); // this CPU's timer is written through the TSC-deadline MSR from now on

} // namespace hv
