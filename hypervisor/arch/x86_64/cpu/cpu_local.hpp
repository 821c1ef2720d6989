// SPDX-License-Identifier: MIT
// Per-CPU data found from the stack pointer, and the frame every entry builds.
#pragma once

#include <arch/x86_64/cpu/layout.hpp>
#include <hypercalls/abi/xen.hpp>

#include <cstddef>
#include <cstdint>

namespace hv
{

class Vcpu;

// Every entry (SYSCALL, interrupt, exception) builds this at the top of its stack. The layout is the head of the ABI's
// cpu_user_regs, so a guest's registers are saved and restored by copying; `vector` is the entry vector.
struct TrapFrame
{
    std::uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    std::uint32_t error_code;
    std::uint32_t vector;
    std::uint64_t rip;
    std::uint16_t cs;
    std::uint16_t pad0;
    std::uint8_t saved_upcall_mask;
    std::uint8_t pad1[3];
    std::uint64_t rflags;
    std::uint64_t rsp;
    std::uint16_t ss;
    std::uint16_t pad2[3];
};
static_assert(sizeof(TrapFrame) == offsetof(abi::cpu_user_regs, es));
static_assert(offsetof(TrapFrame, rip) == offsetof(abi::cpu_user_regs, rip));
static_assert(offsetof(TrapFrame, rdi) == offsetof(abi::cpu_user_regs, rdi));

// Pseudo vectors in TrapFrame::vector: for SYSCALL entries, and for what a guest kernel is entered with.
inline constexpr std::uint32_t kVectorSyscall = 0x100;
inline constexpr std::uint32_t kVectorSyscall32 = 0x101; // from 32-bit code
inline constexpr std::uint32_t kVectorSysenter = 0x103;
inline constexpr std::uint32_t kVectorEntered = 0x102; // SYSRET is exact for it; nobody changed it since

// Bits of CpuLocal::work: what this CPU must do before it returns to a guest.
namespace work
{
inline constexpr std::uint32_t kSchedule = 1u << 0;    // choose again who runs here
inline constexpr std::uint32_t kTimer = 1u << 1;       // the one-shot timer fired: run expired timers
inline constexpr std::uint32_t kCallbacks = 1u << 2;   // run_on() requests wait for this CPU
inline constexpr std::uint32_t kConsoleRing = 1u << 3; // the console ring grew: raise VIRQ_CON_RING
} // namespace work

struct alignas(64) CpuLocal
{
    CpuLocal* self;
    std::uint32_t id; // CpuId
    std::uint32_t apic_id;
    Vcpu* current;                // whose registers are in the frame at the stack top; nullptr when idle
    std::uint32_t work;           // bits of namespace work; other CPUs set them with atomics, then send the kick IPI
    std::uint32_t in_idle;        // 1 while halted in the idle loop
    std::uint64_t scratch;        // entry code only
    std::uint64_t idle_root;      // CR3 value of the page table without a guest half
    std::uint64_t loaded_root;    // CR3 value last loaded here
    Vcpu* loaded;                 // whose lazily kept hardware state (FPU, segments, root) is on this CPU
    std::int64_t tsc_offset;      // what this CPU's TSC is ahead of the boot CPU's
    std::uint64_t flush_count;    // full TLB flushes done here
    std::uint32_t remote_flushes; // flushes that this CPU asked others for
};
static_assert(sizeof(CpuLocal) <= 0x400);

inline CpuLocal& this_cpu()
{
    std::uint64_t sp;
    asm("mov %%rsp, %0" : "=r"(sp)); // not volatile: the region is the same for the whole run of a function
    return *reinterpret_cast<CpuLocal*>((sp & ~(layout::kCpuStride - 1)) + layout::kCpuLocal);
}

// The registers of the guest that entered (valid on the main stack only).
inline TrapFrame& guest_frame(CpuLocal& cpu)
{
    return *(reinterpret_cast<TrapFrame*>(&cpu) - 1);
}

CpuLocal& cpu_local(CpuId cpu); // any online CPU's
std::uint32_t cpu_count();      // online CPUs, ids 0..cpu_count()-1

} // namespace hv
