// SPDX-License-Identifier: MIT
// Ways to end: reset the machine, power it off, stop its other CPUs.
#pragma once

#include <cstdint>

namespace hv
{

// Tries the configured method, then every other one, in the order ACPI, 0xcf9, keyboard controller, triple fault.
[[noreturn]] void reset_machine();

// Writes the sleep types into PM1a (and PM1b where there is one), as the caller's ACPI interpreter found them.
// Returns only when the machine did not react.
void enter_sleep_state(std::uint16_t pm1a_value, std::uint16_t pm1b_value);

// The same with what the firmware's tables say; returns also when they say nothing.
void switch_off();

// Sends every other CPU into a halt it never leaves. Safe before there are other CPUs.
void stop_other_cpus();

} // namespace hv
