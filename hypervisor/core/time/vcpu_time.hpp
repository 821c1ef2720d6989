// SPDX-License-Identifier: MIT
// The part of a vCPU that keeps its time: run-state accounting, its timers, and the areas it registered.
#pragma once

#include <core/time/timer.hpp>
#include <hypercalls/abi/xen.hpp>
#include <lib/strong.hpp>

namespace hv
{

struct VcpuTime
{
    // state, since when, and the time spent in each state up to then. Written under the lock of the unit's run queue.
    abi::vcpu_runstate_info runstate{};

    // Guest virtual addresses, 0 = none; written only while the vCPU is current (its kernel root maps them).
    GuestVirtual runstate_area{};
    GuestVirtual time_area{};
    std::uint32_t info_generation = 0; // the time_generation() last written to its vcpu_info, 0 = never

    Timer singleshot;
    Timer periodic;
    Timer poll;
    std::uint64_t period = 0; // nanoseconds, 0 = no periodic timer
};

} // namespace hv
