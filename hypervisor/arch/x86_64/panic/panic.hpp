// SPDX-License-Identifier: MIT
// The loud end of the machine: what we know about the fault, then stop or reboot as configured.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>

namespace hv
{

// Prints cause, registers and a symbolised back-trace, stops the other CPUs, then reboots, or halts with `noreboot`.
[[noreturn]] void panic(char const* what);
[[noreturn]] void panic_in(TrapFrame const& frame, char const* what); // a fault in our own code

// Called while panicking, to add what other parts know (the last hypercalls of the running domain).
using PanicHook = void (*)();
void set_panic_hook(PanicHook hook);

// True once a CPU panics or ends the machine; an NMI that arrives then must call stop_for_panic().
bool is_panicking();
[[noreturn]] void stop_for_panic();

// Nearest symbol at or below `address`; nullptr when the table has none. `offset` is the distance from it.
char const* find_symbol(std::uint64_t address, std::uint64_t& offset);

} // namespace hv
