// SPDX-License-Identifier: MIT
// Finds out how fast the TSC and the local APIC's timer run.
#pragma once

#include <arch/x86_64/time/clock.hpp>

namespace hv
{

// Takes a few milliseconds, less when the frequencies are reported. Boot CPU, local APIC started, timer free.
FrequencyReport measure_frequencies();

} // namespace hv
