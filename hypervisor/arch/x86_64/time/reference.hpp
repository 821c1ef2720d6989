// SPDX-License-Identifier: MIT
// Clocks of known frequency that the TSC is measured against.
#pragma once

#include <cstdint>

namespace hv
{

struct ReferenceClock
{
    char const* name = nullptr;     // nullptr: there is none
    std::uint64_t femtoseconds = 0; // per tick
    std::uint64_t mask = 0;         // ticks wrap above it
    std::uint64_t (*read)() = nullptr;
};

// The best this machine has: HPET, else ACPI PM timer, else channel 2 of the 8254. Starts it when it needs that.
ReferenceClock open_reference_clock();

} // namespace hv
