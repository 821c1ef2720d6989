// SPDX-License-Identifier: MIT
// Guest kernel and guest user mode: same ring, two address spaces, two GS bases.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <core/domain/domain.hpp>

namespace hv
{

// Loads `root` into CR3 unless it is loaded already; user pages that are global stay in the TLB.
void load_root(Mfn root);
void load_root(CpuLocal& cpu, Mfn root); // with the CPU at hand

// The current vCPU changes mode: root and active GS base follow.
void enter_user_mode(Vcpu& vcpu);                // it has a user root; nothing happens when it is in that mode
void leave_user_mode(CpuLocal& cpu, Vcpu& vcpu); // it is in user mode

} // namespace hv
