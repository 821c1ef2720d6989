// SPDX-License-Identifier: MIT
// What a paravirtual vCPU has set through hypercalls, and its registers while it is not on a CPU.
#pragma once

#include <hypercalls/abi/xen.hpp>
#include <lib/strong.hpp>

#include <array>
#include <cstdint>

namespace hv
{

// A guest kernel entry point registered by callback_op or set in a vcpu_guest_context; address 0 = unregistered.
struct Callback
{
    std::uint64_t address = 0;
    bool mask_events = false;
};

// Owned by its vCPU. Written by the vCPU itself, or by others only while the vCPU is paused and not loaded on any CPU.
struct PvState
{
    // Saved by the context switch; while the vCPU runs, the live values are in the CPU's frame and in hardware.
    abi::cpu_user_regs regs{}; // cs/ss as loaded in hardware (RPL 3); ds, es, fs, gs selectors included
    std::uint64_t fs_base = 0;
    std::uint64_t gs_base_kernel = 0; // active while in guest kernel mode
    std::uint64_t gs_base_user = 0;   // active while in guest user mode
    std::uint16_t gs_user_selector = 0;

    bool in_kernel = true; // guest kernel or guest user mode: the only truth about privilege (both run at CPL 3)
    bool fpu_task_switched = false; // virtual CR0.TS
    std::uint8_t iopl = 0;          // virtual IOPL
    std::uint64_t cr4 = 0;          // the guest-controlled bits: TSD, DE, FSGSBASE, OSXSAVE
    std::array<std::uint64_t, 4> debug_address{};
    std::uint64_t dr6 = 0xffff0ff0;
    std::uint64_t dr7 = 0x400;
    std::uint64_t xcr0 = 1;
    std::uint32_t tsc_aux = 0; // MSR_TSC_AUX, what RDTSCP and RDPID return

    Mfn kernel_root = kInvalidMfn; // typed L4 reference held
    Mfn user_root = kInvalidMfn;   // typed L4 reference held, or none

    std::uint64_t kernel_sp = 0;
    std::uint16_t kernel_ss = 0;
    Callback event_callback{};
    Callback failsafe_callback{};
    Callback syscall_callback{};
    Callback syscall32_callback{};
    Callback sysenter_callback{};
    Callback nmi_callback{};
    bool nmi_pending = false;
    bool nmi_masked = false; // cleared by the iret hypercall

    std::array<Mfn, 14> gdt_frames{}; // seg_desc references held for the first gdt_pages()
    std::uint32_t gdt_entries = 0;
    std::uint64_t ldt_base = 0; // guest virtual, page aligned
    std::uint32_t ldt_entries = 0;
    std::uint32_t ldt_mapped = 0; // bit n: LDT page n is validated, referenced and in the window

    GuestVirtual io_bitmap{}; // guest virtual; io_bitmap_ports 0 = none
    std::uint32_t io_bitmap_ports = 0;
    std::uint32_t config_address = 0; // last value written to I/O port 0xcf8 (control domain)

    abi::trap_info* traps = nullptr; // 256 entries, indexed by vector; address 0 = unregistered
    std::byte* fpu = nullptr;        // XSAVE or FXSAVE area, 64-byte aligned, fpu_area_size() bytes
};

} // namespace hv
