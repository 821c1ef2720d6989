// SPDX-License-Identifier: MIT
// System time from the TSC, the one-shot timer of each CPU, and the wall clock.
//
// port::now() counts nanoseconds since the boot CPU started its clock. Every CPU computes it by the formula that guests
// use too (pvclock: ((ticks << shift) * mul) >> 32), from its TSC less tsc_offset, so all CPUs and guests agree.
#pragma once

#include <port/port.hpp>

#include <cstdint>

namespace hv
{

// Measures the TSC (unless the CPU or the platform names its frequency) and the local APIC's timer. Boot CPU, after
// the local APIC has started. Time starts here.
void start_clock();

// On each CPU: its timer off, in the mode set_timer() uses.
void start_timer();

// When all CPUs are online: finds what each TSC is ahead of the boot CPU's; the clock counts as stable when none is.
void compare_tscs();

struct FrequencyReport
{
    char const* tsc_source;
    std::uint64_t tsc_hz;
    std::uint64_t timer_hz; // of the local APIC's timer
};
FrequencyReport const& frequencies();

// Unix time when system time was 0, as the CMOS clock had it at boot.
port::WallClock boot_wall_clock();

// The machine's CMOS clock, in seconds of Unix time; 0 when it makes no sense.
std::uint64_t read_cmos_clock();

} // namespace hv
