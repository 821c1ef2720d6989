// SPDX-License-Identifier: MIT
// Connects the console of the core to this machine's devices.
#pragma once

#include <arch/x86_64/serial/uart.hpp>
#include <arch/x86_64/serial/vga_text.hpp>

namespace hv
{

// Opens the devices that options() names. Very early: temporary page tables suffice.
void start_machine_console();

// Final page tables are loaded: text screen through its own mapping, ring of the size asked for, interrupt-driven
// input once the interrupt controllers are ready.
void remap_machine_console();
void start_console_input();

// The control domain drives the screen from now on, unless `vga=keep`.
void release_screen();

VgaText const& screen();

} // namespace hv
