// SPDX-License-Identifier: MIT
// Numbers that the assembly needs, computed by the compiler. The build turns the strings "->NAME $value" into a header.
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/pv/iret.hpp>
#include <arch/x86_64/pv/return.hpp>
#include <core/domain/domain.hpp>
#include <core/trace/counters.hpp>

#include <bit>

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
    HV_OFFSET(CPU_WORK, offsetof(CpuLocal, work));
    HV_OFFSET(CPU_LOADED_ROOT, offsetof(CpuLocal, loaded_root));
    HV_OFFSET(VCPU_IN_KERNEL, offsetof(hv::Vcpu, pv) + offsetof(hv::PvState, in_kernel));
    HV_OFFSET(VCPU_NMI_MASKED, offsetof(hv::Vcpu, pv) + offsetof(hv::PvState, nmi_masked));
    HV_OFFSET(VCPU_USER_ROOT, offsetof(hv::Vcpu, pv) + offsetof(hv::PvState, user_root));
    HV_OFFSET(VCPU_DOMAIN, offsetof(hv::Vcpu, domain_));
    HV_OFFSET(VCPU_INFO, offsetof(hv::Vcpu, info));
    HV_OFFSET(VCPU_COUNTERS, offsetof(hv::Vcpu, counters));
    HV_OFFSET(COUNTER_IRET, static_cast<unsigned>(hv::Counter::Call_iret) * sizeof(std::uint64_t));
    HV_OFFSET(INFO_PENDING, offsetof(hv::abi::vcpu_info, evtchn_upcall_pending));
    HV_OFFSET(INFO_MASK, offsetof(hv::abi::vcpu_info, evtchn_upcall_mask));
    HV_OFFSET(DOMAIN_VM_ASSIST, offsetof(hv::Domain, vm_assist));
    HV_OFFSET(ASSIST_IOPL, 1u << VMASST_TYPE_architectural_iopl);
    HV_OFFSET(NO_ROOT, hv::kInvalidMfn.raw());
    HV_OFFSET(HYPERVISOR_START, hv::kHypervisorStart);
    HV_OFFSET(HYPERVISOR_SHIFT, std::countr_zero(hv::kHypervisorEnd - hv::kHypervisorStart));
    HV_OFFSET(PAGE_SHIFT, hv::kPageShift);
    HV_OFFSET(IRET_RAX, offsetof(hv::GuestIretFrame, rax));
    HV_OFFSET(IRET_R11, offsetof(hv::GuestIretFrame, r11));
    HV_OFFSET(IRET_RCX, offsetof(hv::GuestIretFrame, rcx));
    HV_OFFSET(IRET_FLAGS, offsetof(hv::GuestIretFrame, flags));
    HV_OFFSET(IRET_RIP, offsetof(hv::GuestIretFrame, rip));
    HV_OFFSET(IRET_CS, offsetof(hv::GuestIretFrame, cs));
    HV_OFFSET(IRET_RFLAGS, offsetof(hv::GuestIretFrame, rflags));
    HV_OFFSET(IRET_RSP, offsetof(hv::GuestIretFrame, rsp));
    HV_OFFSET(IRET_SS, offsetof(hv::GuestIretFrame, ss));
    HV_OFFSET(IRET_FROM_SYSTEM_CALL, hv::kIretFromSystemCall);
    HV_OFFSET(IRET_FLAGS_KEPT, hv::kIretFlagsKept);
    HV_OFFSET(IRET_FLAGS_SET, hv::kIretFlagsSet);
    HV_OFFSET(VECTOR_SYSCALL, hv::kVectorSyscall);
    HV_OFFSET(VECTOR_SYSCALL32, hv::kVectorSyscall32);
    HV_OFFSET(VECTOR_SYSENTER, hv::kVectorSysenter);
    HV_OFFSET(FLAG_INTERRUPT, 1u << 9);
    HV_OFFSET(FLAG_FIXED, 1u << 1);
    HV_OFFSET(CPU_STRIDE, hv::layout::kCpuStride);
    HV_OFFSET(CPU_STACK_TOP, hv::layout::kCpuStackTop);
    HV_OFFSET(SELECTOR_GUEST_CODE64, std::uint32_t{hv::layout::kSelectorGuestCode64});
    HV_OFFSET(SELECTOR_GUEST_CODE32, std::uint32_t{hv::layout::kSelectorGuestCode32});
    HV_OFFSET(SELECTOR_GUEST_DATA, std::uint32_t{hv::layout::kSelectorGuestData});
}
