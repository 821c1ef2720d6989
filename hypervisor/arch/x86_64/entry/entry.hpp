// SPDX-License-Identifier: MIT
// What assembly and C++ call of each other at the border between guest and hypervisor.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>

extern "C"
{
    void entry_syscall64();
    void entry_syscall32();
    [[noreturn]] void exit_to_guest(); // with the stack pointer 8 below the guest frame
    extern char guest_iret[];          // the IRETQ that returns to a guest

    // C++ side. The frame is the guest's; interrupts are off.
    // Return values are those of pv/return.hpp. The arguments are what the guest's registers hold.
    std::uint32_t handle_syscall(std::uint64_t rdi, std::uint64_t rsi, std::uint64_t rdx, std::uint64_t r10,
                                 std::uint64_t r8, std::uint64_t r9);
    void handle_syscall32(hv::TrapFrame& frame);
    std::uint32_t handle_guest_trap(hv::TrapFrame& frame);
    // A trap in the hypervisor itself: nullptr to resume `frame`, or the guest frame to continue with.
    hv::TrapFrame* handle_own_trap(hv::TrapFrame& frame);
    std::uint32_t prepare_exit(hv::TrapFrame& frame);
}
