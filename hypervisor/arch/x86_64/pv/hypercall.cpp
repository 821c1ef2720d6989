// SPDX-License-Identifier: MIT
// SYSCALL from a guest: a hypercall in guest kernel mode, the guest's own system call in user mode. The mode flag of the
// vCPU is the only truth; both come with the same selectors.
#include <arch/x86_64/entry/entry.hpp>
#include <arch/x86_64/pv/bounce.hpp>
#include <arch/x86_64/pv/return.hpp>
#include <core/trace/count.hpp>
#include <hypercalls/dispatch/hypercall.hpp>

#include <config.hpp>

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

// Back onto the SYSCALL with the progress in the registers; events get in between.
void restart(TrapFrame& frame, HypercallArgs const& args)
{
    frame.rip -= kSyscallBytes;
    frame.rdi = args.value[0];
    frame.rsi = args.value[1];
    frame.rdx = args.value[2];
    frame.r10 = args.value[3];
    frame.r8 = args.value[4];
    frame.r9 = args.value[5];
}

// The guest's system call: to the callback, or #UD at the instruction when there is none.
void guest_system_call(Vcpu& vcpu, TrapFrame& frame, Callback const& callback)
{
    count(vcpu, Counter::Guest_syscall);
    if (callback.address == 0) [[unlikely]]
    {
        frame.rip -= kSyscallBytes;
        deliver_exception(vcpu, frame, 6, 0);
        return;
    }
    bounce_to_kernel(vcpu, frame, {callback.address, callback.mask_events, false, 0});
}

} // namespace
} // namespace hv

std::uint32_t handle_syscall(std::uint64_t rdi, std::uint64_t rsi, std::uint64_t rdx, std::uint64_t r10,
                             std::uint64_t r8, std::uint64_t r9)
{
    using namespace hv;
    CpuLocal& cpu = this_cpu();
    TrapFrame& frame = guest_frame(cpu);
    Vcpu& vcpu = *cpu.current;
    if (!vcpu.pv.in_kernel) [[unlikely]]
    {
        guest_system_call(vcpu, frame, vcpu.pv.syscall_callback);
        return choose_return(cpu, vcpu, frame);
    }
    std::uint64_t const number = static_cast<std::uint32_t>(frame.rax);
    if constexpr (config::kHypercallHistory)
        record(vcpu, number, rdi);
    HypercallArgs args{{rdi, rsi, rdx, r10, r8, r9}};
    CallResult const result = dispatch_hypercall(vcpu, number, args);
    if (!result && result.error() == Errno::FrameReplaced) [[unlikely]]
        return choose_return(cpu, vcpu, frame);
    if (!result && result.error() == Errno::Restart) [[unlikely]]
        restart(frame, args);
    else
        frame.rax = register_value(result);
    expect_no_lock_held();
    return choose_return_after_syscall(cpu, vcpu, frame);
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
