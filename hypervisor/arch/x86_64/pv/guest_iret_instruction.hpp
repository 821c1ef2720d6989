// SPDX-License-Identifier: MIT
// IRETQ executed by a guest at CPL 3, where the CPU wrongly reads its frame as a supervisor.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <core/domain/domain.hpp>

namespace hv
{

// QEMU 7.2's TCG makes the stack reads of an IRETQ at CPL 3 with supervisor rights, so SMAP refuses them (Linux' early
// sync_core() does such an IRETQ). A #PF of a guest that says "present, supervisor read" can come from nothing else on
// memory of its own. Carries the instruction out; false when it is another one or its frame cannot be read.
bool emulate_guest_iret_instruction(Vcpu& vcpu, TrapFrame& frame);

} // namespace hv
