// SPDX-License-Identifier: MIT
// Whether a guest may be returned to as it is, and by which instruction.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/entry/entry.hpp>
#include <core/evtchn/event_channels.hpp>
#include <lib/lock_rank.hpp>

namespace hv
{

// Nothing has to be done on this CPU, and nothing delivered to the vCPU, before it goes on. Mostly there is not even
// anything that its mask holds back, which one test tells. NMIs need no look: who sends one makes the CPU choose again,
// and so does the iret that ends the masking; that leads through do_what_waits().
inline bool nothing_waits(CpuLocal const& cpu, Vcpu const& vcpu)
{
    std::uint32_t const work = load_acquire(cpu.work);
    if ((work | load_relaxed(vcpu.info->evtchn_upcall_pending)) == 0) [[likely]]
        return true;
    return work == 0 && load_relaxed(vcpu.info->evtchn_upcall_mask) != 0; // what is pending is held back
}

inline constexpr std::uint32_t kFlagTrap = 1u << 8;

// SYSRET gives the guest exactly what the frame says. A rip that is not canonical would fault in ring 0 on the guest's
// stack (XSA-7); with TF it would trap in the guest after one more instruction than the frame says. Frames with
// kVectorEntered were made that way (bounce.cpp).
inline bool sysret_is_exact(TrapFrame const& frame)
{
    if (frame.vector == kVectorSyscall)
        return frame.cs == layout::kSelectorGuestCode64 && frame.ss == layout::kSelectorGuestData &&
               is_canonical(frame.rip) && (frame.rflags & kFlagTrap) == 0;
    return frame.vector == kVectorEntered;
}

// Puts into a frame of SYSCALL what entry.S leaves out of it.
inline void complete_syscall_frame(TrapFrame& frame)
{
    frame.rcx = frame.rip;
    frame.r11 = frame.rflags;
    frame.cs = layout::kSelectorGuestCode64;
    frame.ss = layout::kSelectorGuestData;
}

enum class Return : std::uint32_t // what the handlers of entries tell entry.S
{
    Later = 0, // by exit_to_guest(), which does what waits
    Sysret = 1,
    Iret = 2,
};

// For when something waits: an event for the guest and nothing else is delivered on the spot. Supplied by exit.cpp; takes
// no more than it can find by itself, so that the usual way keeps nothing at hand for it.
std::uint32_t deliver_and_choose_return(Vcpu& vcpu);
// The same after SYSCALL, with `value` for the guest's rax; completes the frame.
SyscallResult finish_what_waits(CpuLocal& cpu, std::uint64_t value);

inline std::uint32_t choose_return(CpuLocal const& cpu, Vcpu& vcpu, TrapFrame const& frame)
{
    expect_no_lock_held();
    if (!nothing_waits(cpu, vcpu)) [[unlikely]]
        return deliver_and_choose_return(vcpu);
    return static_cast<std::uint32_t>(sysret_is_exact(frame) ? Return::Sysret : Return::Iret);
}

} // namespace hv
