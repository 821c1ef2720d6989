// SPDX-License-Identifier: MIT
// Changing which vCPU this CPU carries.
//
// A vCPU's context is saved completely when it stops being current; its hardware state (root, descriptor tables, FPU,
// segments) stays loaded until another vCPU comes, so going idle and coming back costs nothing. Whoever needs it gone
// (another CPU that loads the vCPU, destruction) sends this CPU a full flush: an idle CPU then drops the state.
// Vcpu::loaded_cpu and CpuLocal::loaded name the relation; both change on the CPU itself with interrupts off.
#pragma once

#include <core/domain/domain.hpp>

namespace hv
{

// Makes `next` (or nobody) current on this CPU. The frame at the stack top is saved and replaced.
void switch_to(Vcpu* next);

// This CPU is idle and keeps a vCPU's hardware state: give it up. Called for full flushes. Takes no lock.
void drop_lazy_state();

// Hardware debug registers as the vCPU has them.
void load_debug_registers(Vcpu const& vcpu);

} // namespace hv
