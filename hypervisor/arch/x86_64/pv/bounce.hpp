// SPDX-License-Identifier: MIT
// Frames built on the guest kernel's stack: how exceptions, events and system calls reach it.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <core/domain/domain.hpp>

namespace hv
{

struct Bounce
{
    std::uint64_t handler = 0; // guest address; 0 crashes the domain
    bool mask_events = false;
    bool has_error = false;
    std::uint32_t error = 0;
};

// Enters the guest kernel at the handler with a frame that describes `frame` (surface.md 1.8). Crashes the domain when
// the frame cannot be written. Returns false then.
bool bounce_to_kernel(Vcpu& vcpu, TrapFrame& frame, Bounce bounce);

// The same for a system call of a 64-bit program, from the frame as SYSCALL leaves it: without rcx, r11, cs and ss. They
// are not there afterwards either.
bool bounce_system_call(CpuLocal& cpu, Vcpu& vcpu, TrapFrame& frame, Callback const& callback);

// The same for an upcall, from a complete frame.
bool bounce_event(CpuLocal& cpu, Vcpu& vcpu, TrapFrame& frame);

// An exception by its trap table entry.
void deliver_exception(Vcpu& vcpu, TrapFrame& frame, std::uint8_t vector, std::uint32_t error);
// #PF: the address goes to the guest's CR2, the U bit is the guest's own mode.
void deliver_page_fault(Vcpu& vcpu, TrapFrame& frame, std::uint64_t address, std::uint32_t error);

// The failsafe callback: segment registers could not be loaded (surface.md 1.10).
void deliver_failsafe(Vcpu& vcpu, TrapFrame& frame);

} // namespace hv
