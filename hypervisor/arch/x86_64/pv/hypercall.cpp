// SPDX-License-Identifier: MIT
// SYSCALL from a guest: a hypercall in guest kernel mode, the guest's own system call in user mode. The mode flag of the
// vCPU is the only truth; both come with the same selectors.
#include <arch/x86_64/entry/entry.hpp>
#include <arch/x86_64/pv/bounce.hpp>
#include <arch/x86_64/pv/iret.hpp>
#include <core/trace/count.hpp>
#include <hypercalls/dispatch/hypercall.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kSyscallBytes = 2;

void record(Vcpu& vcpu, std::uint64_t number, std::uint64_t operation)
{
    vcpu.last_hypercalls[vcpu.last_hypercall_next++ % 8] =
        static_cast<std::uint32_t>(number << 16 | (operation & 0xffff));
}

void hypercall(Vcpu& vcpu, TrapFrame& frame)
{
    std::uint64_t const number = static_cast<std::uint32_t>(frame.rax);
    record(vcpu, number, frame.rdi);
    if (number == __HYPERVISOR_iret)
    {
        count(vcpu, Counter::Call_iret);
        return_to_guest_frame(vcpu, frame);
        return;
    }
    HypercallArgs args{{frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9}};
    CallResult const result = dispatch_hypercall(vcpu, number, args);
    if (!result && result.error() == Errno::Restart) [[unlikely]]
    {
        // Back onto the SYSCALL with the progress in the registers; events get in between.
        frame.rip -= kSyscallBytes;
        frame.rax = number;
        frame.rdi = args.value[0];
        frame.rsi = args.value[1];
        frame.rdx = args.value[2];
        frame.r10 = args.value[3];
        frame.r8 = args.value[4];
        frame.r9 = args.value[5];
        return;
    }
    if (vcpu.pv.frame_replaced) [[unlikely]]
    {
        vcpu.pv.frame_replaced = false; // an iret inside a multicall: rax is the frame's
        return;
    }
    frame.rax = result ? static_cast<std::uint64_t>(result.value())
                       : static_cast<std::uint64_t>(-static_cast<std::int64_t>(result.error()));
}

// The guest's system call: to the callback, or #UD at the instruction when there is none.
void guest_system_call(Vcpu& vcpu, TrapFrame& frame, Callback const& callback)
{
    count(vcpu, Counter::Guest_syscall);
    if (callback.address == 0)
    {
        frame.rip -= kSyscallBytes;
        deliver_exception(vcpu, frame, 6, 0);
        return;
    }
    bounce_to_kernel(vcpu, frame, {callback.address, callback.mask_events, false, 0});
}

} // namespace
} // namespace hv

void handle_syscall(hv::TrapFrame& frame)
{
    using namespace hv;
    Vcpu& vcpu = *this_cpu().current;
    if (vcpu.pv.in_kernel)
        hypercall(vcpu, frame);
    else
        guest_system_call(vcpu, frame, vcpu.pv.syscall_callback);
}

void handle_syscall32(hv::TrapFrame& frame)
{
    using namespace hv;
    Vcpu& vcpu = *this_cpu().current;
    if (vcpu.pv.in_kernel) // 32-bit code in guest kernel mode has no hypercalls of ours
    {
        frame.rip -= kSyscallBytes;
        deliver_exception(vcpu, frame, 6, 0);
        return;
    }
    guest_system_call(vcpu, frame, vcpu.pv.syscall32_callback);
}
