// SPDX-License-Identifier: MIT
// Changing which vCPU this CPU carries.
//
// A vCPU's context is saved completely when it stops being current; its hardware state (root, descriptor tables, FPU,
// segments) stays loaded until another vCPU comes, so going idle and coming back costs nothing. Whoever needs it gone
// (another CPU that loads the vCPU, destruction) sends this CPU a full flush: an idle CPU then drops the state. The invariant
// and the decisions stand in core/domain/carried_vcpu.hpp.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <core/domain/domain.hpp>

namespace hv
{

// Makes `next` (or nobody) current on this CPU. The frame at the stack top is saved and replaced.
void switch_to(CpuLocal& cpu, Vcpu* next);

// Gives up the hardware state of a vCPU that this CPU keeps without running it. Called for full flushes, also from inside
// switch_to() while it waits. Takes no lock.
void drop_lazy_state();

// Hardware debug registers as the vCPU has them.
void load_debug_registers(Vcpu const& vcpu);

} // namespace hv
