// SPDX-License-Identifier: MIT
// The other CPUs: starting them, asking them to do things.
#pragma once

#include <lib/cpu_mask.hpp>

namespace hv
{

// Starts every CPU that the firmware lists (up to `maxcpus=`), in parallel; returns when all that answer are online
// and on their way to cpu_idle_loop(). Boot CPU only.
void start_other_cpus();

CpuMask online_cpu_mask();

// Runs `function(argument)` on each CPU of `targets` at once, this one included when it is in the set, and returns when
// all are done. Runs in interrupt context with no lock held there, so the caller must hold no lock that a target may be
// waiting for with a guest's work unfinished: hold none.
void run_on(CpuMask targets, void (*function)(void* argument), void* argument);

// Serves a pending run_on() request for this CPU; called from the interrupt of its vector.
void serve_call();

} // namespace hv
