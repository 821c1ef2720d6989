// SPDX-License-Identifier: MIT
// Numbers that the assembly needs, computed by the compiler. The build turns the strings "->NAME $value" into a header.
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/pv/return.hpp>
#include <core/domain/vcpu.hpp>

// Vcpu is no standard-layout type; GCC and clang both give its offsets all the same.
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

// A string, so that assemblers inside compilers read over it.
#define HV_OFFSET(name, value) asm volatile("\n.ascii \"->" #name " %0\"" : : "i"(value))

void entry_offsets()
{
    using hv::CpuLocal;
    using hv::TrapFrame;
    HV_OFFSET(FRAME_SIZE, sizeof(TrapFrame));
    HV_OFFSET(FRAME_VECTOR, offsetof(TrapFrame, vector));
    HV_OFFSET(FRAME_ERROR, offsetof(TrapFrame, error_code));
    HV_OFFSET(FRAME_R15, offsetof(TrapFrame, r15));
    HV_OFFSET(FRAME_R14, offsetof(TrapFrame, r14));
    HV_OFFSET(FRAME_R13, offsetof(TrapFrame, r13));
    HV_OFFSET(FRAME_R12, offsetof(TrapFrame, r12));
    HV_OFFSET(FRAME_RBP, offsetof(TrapFrame, rbp));
    HV_OFFSET(FRAME_RBX, offsetof(TrapFrame, rbx));
    HV_OFFSET(FRAME_RDI, offsetof(TrapFrame, rdi));
    HV_OFFSET(FRAME_RSI, offsetof(TrapFrame, rsi));
    HV_OFFSET(FRAME_RDX, offsetof(TrapFrame, rdx));
    HV_OFFSET(FRAME_R10, offsetof(TrapFrame, r10));
    HV_OFFSET(FRAME_R8, offsetof(TrapFrame, r8));
    HV_OFFSET(FRAME_R9, offsetof(TrapFrame, r9));
    HV_OFFSET(FRAME_RAX, offsetof(TrapFrame, rax));
    HV_OFFSET(FRAME_RCX, offsetof(TrapFrame, rcx));
    HV_OFFSET(FRAME_R11, offsetof(TrapFrame, r11));
    HV_OFFSET(FRAME_RIP, offsetof(TrapFrame, rip));
    HV_OFFSET(FRAME_CS, offsetof(TrapFrame, cs));
    HV_OFFSET(FRAME_RFLAGS, offsetof(TrapFrame, rflags));
    HV_OFFSET(FRAME_RSP, offsetof(TrapFrame, rsp));
    HV_OFFSET(FRAME_SS, offsetof(TrapFrame, ss));
    HV_OFFSET(RETURN_SYSRET, static_cast<std::uint32_t>(hv::Return::Sysret));
    HV_OFFSET(RETURN_IRET, static_cast<std::uint32_t>(hv::Return::Iret));
    HV_OFFSET(FLAG_TRAP, hv::kFlagTrap);
    HV_OFFSET(HYPERCALL_IRET, __HYPERVISOR_iret);
    HV_OFFSET(CPU_CURRENT, offsetof(CpuLocal, current));
    HV_OFFSET(VCPU_IN_KERNEL, offsetof(hv::Vcpu, pv) + offsetof(hv::PvState, in_kernel));
    HV_OFFSET(VECTOR_SYSCALL, hv::kVectorSyscall);
    HV_OFFSET(VECTOR_SYSCALL32, hv::kVectorSyscall32);
    HV_OFFSET(CPU_STRIDE, hv::layout::kCpuStride);
    HV_OFFSET(CPU_STACK_TOP, hv::layout::kCpuStackTop);
    HV_OFFSET(SELECTOR_GUEST_CODE64, hv::layout::kSelectorGuestCode64);
    HV_OFFSET(SELECTOR_GUEST_CODE32, hv::layout::kSelectorGuestCode32);
    HV_OFFSET(SELECTOR_GUEST_DATA, hv::layout::kSelectorGuestData);
}
