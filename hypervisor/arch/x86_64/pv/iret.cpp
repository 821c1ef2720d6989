// SPDX-License-Identifier: MIT
// The iret hypercall: back to what the guest kernel interrupted, in either mode.
#include <arch/x86_64/pv/iret.hpp>

#include <arch/x86_64/pv/guest_copy.hpp>
#include <arch/x86_64/pv/mode.hpp>
#include <core/domain/guest_iret.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kFlagInterrupt = 1u << 9;
constexpr std::uint64_t kFlagFixed = 1u << 1;
constexpr std::uint64_t kFlagsDropped =
    (3u << 12) | (1u << 14) | (1u << 17) | (1u << 19) | (1u << 20); // IOPL NT VM VIF VIP
constexpr std::uint64_t kInSystemCall = 1u << 8;                    // VGCF_in_syscall

struct IretFrame
{
    std::uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;
};
static_assert(sizeof(IretFrame) == 72);

bool read_frame(std::uint64_t address, IretFrame& f)
{
    return load_words(address, f.rax, f.r11, f.rcx, f.flags, f.rip, f.cs, f.rflags, f.rsp, f.ss);
}

} // namespace

void return_to_guest_frame(Vcpu& vcpu, TrapFrame& frame)
{
    IretFrame saved;
    if (!read_frame(frame.rsp, saved))
    {
        crash_domain(vcpu.domain(), "the frame of its iret cannot be read");
        return;
    }
    if ((saved.cs & 3) == 3)
    {
        if (vcpu.pv.user_root == kInvalidMfn)
        {
            crash_domain(vcpu.domain(), "iret to user mode without a user page table");
            return;
        }
        enter_user_mode(vcpu);
    }
    if ((vcpu.domain().vm_assist & (1u << VMASST_TYPE_architectural_iopl)) != 0)
        vcpu.pv.iopl = static_cast<std::uint8_t>(saved.rflags >> 12 & 3);
    frame.rip = saved.rip;
    frame.rflags = (saved.rflags & ~kFlagsDropped & 0xffffffff) | kFlagInterrupt | kFlagFixed;
    frame.rsp = saved.rsp;
    frame.rax = saved.rax;
    if ((saved.flags & kInSystemCall) != 0)
    {
        frame.cs = layout::kSelectorGuestCode64;
        frame.ss = layout::kSelectorGuestData;
        frame.vector = kVectorSyscall; // rcx and r11 may be anything: SYSRET serves
    }
    else
    {
        frame.cs = static_cast<std::uint16_t>(saved.cs | 3);
        frame.ss = static_cast<std::uint16_t>(saved.ss | 3);
        frame.rcx = saved.rcx;
        frame.r11 = saved.r11;
        frame.vector = 0;
        // A frame as SYSCALL would leave it can go back by SYSRET, which is much cheaper than IRET.
        if (frame.rcx == frame.rip && frame.r11 == frame.rflags)
            frame.vector = kVectorSyscall;
    }
    vcpu.pv.nmi_masked = false;
    vcpu.info->evtchn_upcall_mask = (saved.rflags & kFlagInterrupt) == 0;
}

void port::guest_iret(Vcpu& vcpu)
{
    return_to_guest_frame(vcpu, guest_frame(this_cpu()));
}

} // namespace hv
