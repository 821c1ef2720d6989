// SPDX-License-Identifier: MIT
// The iret hypercall: back to what the guest kernel interrupted, in either mode. All of it; entry/iret.S does the same for
// frames that ask for nothing special, which are most.
#include <arch/x86_64/entry/entry.hpp>
#include <arch/x86_64/pv/guest_copy.hpp>
#include <arch/x86_64/pv/iret.hpp>
#include <arch/x86_64/pv/mode.hpp>
#include <arch/x86_64/pv/return.hpp>
#include <core/domain/guest_iret.hpp>
#include <core/trace/count.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kFlagInterrupt = 1u << 9;

[[gnu::cold, gnu::noinline]] void crash(Vcpu& vcpu, TrapFrame& frame, char const* reason)
{
    complete_syscall_frame(frame);
    frame.vector = kVectorSyscall; // what the report may show of it
    crash_domain(vcpu.domain(), reason);
}

// Replaces `frame` by the one on the guest kernel's stack (surface.md 1.9). Crashes the domain when it cannot be read or
// returns to a user mode that has no address space.
void return_to_guest_frame(Vcpu& vcpu, TrapFrame& frame)
{
    GuestIretFrame saved;
    if (!load_words(frame.rsp, frame.rax, frame.r11, frame.rcx, saved.flags, saved.rip, saved.cs, saved.rflags,
                    saved.rsp, saved.ss)) [[unlikely]]
    {
        crash(vcpu, frame, "the frame of its iret cannot be read");
        return;
    }
    if ((saved.cs & 3) == 3)
    {
        if (vcpu.pv.user_root == kInvalidMfn)
        {
            crash(vcpu, frame, "iret to user mode without a user page table");
            return;
        }
        enter_user_mode(vcpu);
    }
    if ((vcpu.domain().vm_assist & (1u << VMASST_TYPE_architectural_iopl)) != 0)
        vcpu.pv.iopl = static_cast<std::uint8_t>(saved.rflags >> 12 & 3);
    frame.rip = saved.rip;
    frame.rflags = (saved.rflags & kIretFlagsKept) | kIretFlagsSet;
    frame.rsp = saved.rsp;
    if ((saved.flags & kIretFromSystemCall) != 0)
    {
        frame.cs = layout::kSelectorGuestCode64;
        frame.ss = layout::kSelectorGuestData;
        frame.vector = kVectorSyscall; // rcx and r11 may be anything: SYSRET serves
    }
    else
    {
        frame.cs = static_cast<std::uint16_t>(saved.cs | 3);
        frame.ss = static_cast<std::uint16_t>(saved.ss | 3);
        frame.vector = 0;
        // A frame as SYSCALL would leave it can go back by SYSRET, which is much cheaper than IRET.
        if (frame.rcx == frame.rip && frame.r11 == frame.rflags)
            frame.vector = kVectorSyscall;
    }
    if (vcpu.pv.nmi_masked) [[unlikely]]
    {
        vcpu.pv.nmi_masked = false;
        if (load_acquire(vcpu.pv.nmi_pending))
            port::request_schedule(port::cpu_id()); // the long way out delivers it
    }
    vcpu.info->evtchn_upcall_mask = (saved.rflags & kFlagInterrupt) == 0;
}

} // namespace

void port::guest_iret(Vcpu& vcpu)
{
    return_to_guest_frame(vcpu, guest_frame(this_cpu()));
}

} // namespace hv

std::uint32_t handle_iret(hv::TrapFrame& frame, hv::CpuLocal& cpu)
{
    using namespace hv;
    Vcpu& vcpu = *cpu.current;
    count(vcpu, Counter::Call_iret);
    return_to_guest_frame(vcpu, frame);
    return choose_return(cpu, vcpu, frame);
}
