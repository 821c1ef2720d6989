// SPDX-License-Identifier: MIT
// The iret hypercall.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <core/domain/domain.hpp>

namespace hv
{

// Replaces `frame` by the one on the guest kernel's stack (surface.md 1.9). Crashes the domain when it cannot be read or
// returns to a user mode that has no address space.
void return_to_guest_frame(Vcpu& vcpu, TrapFrame& frame);

} // namespace hv
