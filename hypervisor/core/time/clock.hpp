// SPDX-License-Identifier: MIT
// The guests' clocks: pvclock in vcpu_info, wall clock in shared_info, run states, and the areas in guest memory.
#pragma once

#include <core/domain/domain.hpp>
#include <lib/result.hpp>
#include <lib/strong.hpp>

#include <cstdint>

namespace hv
{

// ---- wall clock. Unix time at system time 0; set at boot from the RTC and by XENPF_settime*.
// `system_time` is the system time at which (seconds, nanoseconds) was true.
void wallclock_set(std::uint64_t seconds, std::uint32_t nanoseconds, Nanoseconds system_time);
std::uint64_t wallclock_seconds(); // now
// Writes it, shifted by the domain's time offset, into shared_info (version protocol).
void update_domain_wallclock(Domain& domain);

// ---- pvclock
// Refreshes the time in the vCPU's vcpu_info (version protocol). Needed once at creation, when vcpu_info moves, and at
// every switch when the TSC is not stable. The vCPU is not running elsewhere.
void update_vcpu_time_info(Vcpu& vcpu);

// ---- run states. The lock of the unit's run queue is held.
void vcpu_runstate_change(Vcpu& vcpu, int state, Nanoseconds now);
// A consistent copy, brought up to now. Takes the run queue's lock.
abi::vcpu_runstate_info vcpu_runstate(Vcpu& vcpu);
// The time it has been running, up to now. Takes that lock only while it runs: the time of a vCPU that does not stays what it is,
// and was written before its state.
inline std::uint64_t vcpu_time_running(Vcpu& vcpu)
{
    if (load_acquire(vcpu.time.runstate.state) != RUNSTATE_running) [[likely]]
        return load_relaxed(vcpu.time.runstate.time[RUNSTATE_running]);
    return vcpu_runstate(vcpu).time[RUNSTATE_running];
}

// ---- the switch. To be called after the context of `vcpu` is loaded and it is current: refreshes vcpu_info's time and
// writes its registered areas.
void vcpu_time_on_schedule_in(Vcpu& vcpu);
// While it is still current, after its run state changed: writes the run-state area alone.
void vcpu_time_on_schedule_out(Vcpu& vcpu);

// ---- registration. The address is checked by the caller; 0 = none. Fault when it cannot be written now.
Result<void> vcpu_register_time_area(Vcpu& vcpu, GuestVirtual area);
Result<void> vcpu_register_runstate_area(Vcpu& vcpu, GuestVirtual area);

// ---- timers of a vCPU (set_timer_op, VCPUOP_*_timer). Current vCPU only, except stops.
void vcpu_timers_init(Vcpu& vcpu);
void vcpu_timers_stop(Vcpu& vcpu);                            // all three, synchronously; for teardown
void vcpu_set_singleshot(Vcpu& vcpu, std::uint64_t deadline); // absolute; past: fires at once; absurd: clamped
void vcpu_stop_singleshot(Vcpu& vcpu);
void vcpu_set_periodic(Vcpu& vcpu, std::uint64_t period); // 0 stops it

} // namespace hv
