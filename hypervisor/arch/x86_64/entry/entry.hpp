// SPDX-License-Identifier: MIT
// What assembly and C++ call of each other at the border between guest and hypervisor.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>

extern "C"
{
    void entry_syscall64();
    void entry_syscall32();
    void entry_sysenter();
    [[noreturn]] void exit_to_guest(); // with the stack pointer 8 below the guest frame
    extern char guest_iret[];          // the IRETQ that returns to a guest

    // C++ side. The frame is the guest's; interrupts are off.
    // Return values are those of pv/return.hpp.
    struct SyscallResult // in rax and rdx
    {
        std::uint64_t rax; // for the guest
        std::uint64_t way; // Return
    };
    // A hypercall: what the guest's registers hold. The guest frame lacks what entry.S says until complete_syscall_frame();
    // it has it when the result is anything but Sysret.
    SyscallResult handle_syscall(std::uint64_t rdi, std::uint64_t rsi, std::uint64_t rdx, std::uint64_t r10,
                                 std::uint64_t r8, hv::CpuLocal& cpu);
    // SYSCALL in guest user mode. The same of the frame.
    SyscallResult handle_guest_syscall(hv::TrapFrame& frame, hv::CpuLocal& cpu);
    // The iret hypercall of guest kernel mode, where iret.S leaves it to C++. The frame lacks rcx, r11, rax, cs and ss; it has
    // them on return. Returns Return.
    std::uint32_t handle_iret(hv::TrapFrame& frame, hv::CpuLocal& cpu);
    void handle_syscall32(hv::TrapFrame& frame);
    void handle_sysenter(hv::TrapFrame& frame); // its rip, cs and rsp are what the ABI says of what nobody knows
    std::uint32_t handle_guest_trap(hv::TrapFrame& frame);
    // A trap in the hypervisor itself: nullptr to resume `frame`, or the guest frame to continue with.
    hv::TrapFrame* handle_own_trap(hv::TrapFrame& frame);
    std::uint32_t prepare_exit(hv::TrapFrame& frame);
}
