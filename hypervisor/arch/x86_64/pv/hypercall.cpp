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

// Back onto the SYSCALL with the progress in the registers; events get in between.
void restart(TrapFrame& frame, Caller const& caller)
{
    frame.rip -= kSyscallBytes;
    std::uint64_t* const registers[] = {&frame.rdi, &frame.rsi, &frame.rdx, &frame.r10, &frame.r8};
    caller.for_each_resumed([&](unsigned index, std::uint64_t value) { *registers[index] = value; });
}

// Its address anew, so that the usual way need not keep it.
Caller const& found_again(Caller const& caller)
{
    Caller const* address;
    asm("lea %1, %0" : "=r"(address) : "m"(caller));
    return *address;
}

// From a frame that is complete.
SyscallResult leave(CpuLocal const& cpu, Vcpu& vcpu, TrapFrame const& frame)
{
    std::uint32_t const way = choose_return(cpu, vcpu, frame);
    return {frame.rax, way};
}

// A system call of the guest for which it has no callback: #UD at the instruction.
[[gnu::noinline, gnu::cold]] SyscallResult refuse_system_call(CpuLocal const& cpu, Vcpu& vcpu, TrapFrame& frame)
{
    complete_syscall_frame(frame);
    frame.rip -= kSyscallBytes;
    deliver_exception(vcpu, frame, 6, 0);
    return leave(cpu, vcpu, frame);
}

// A 32-bit program's system call. False: the kernel has no callback for it, or made it itself, where there are no hypercalls
// of ours.
bool enter_by(Vcpu& vcpu, TrapFrame& frame, Callback const& callback)
{
    if (vcpu.pv.in_kernel)
        return false;
    count(vcpu, Counter::Guest_syscall);
    if (callback.address == 0)
        return false;
    bounce_to_kernel(vcpu, frame, {callback.address, callback.mask_events, false, 0});
    return true;
}

// The result is no number for rax.
[[gnu::noinline, gnu::cold]] SyscallResult finish_specially(CpuLocal& cpu, Caller const& caller, Errno error)
{
    TrapFrame& frame = guest_frame(cpu);
    Vcpu& vcpu = *cpu.current;
    if (error == Errno::Restart)
    {
        restart(frame, caller);
        complete_syscall_frame(frame);
    }
    return leave(cpu, vcpu, frame);
}

} // namespace
} // namespace hv

SyscallResult handle_syscall(std::uint64_t rdi, std::uint64_t rsi, std::uint64_t rdx, std::uint64_t r10,
                             std::uint64_t r8, hv::CpuLocal& cpu)
{
    using namespace hv;
    TrapFrame& frame = guest_frame(cpu);
    Vcpu& vcpu = *cpu.current;
    std::uint64_t const number = clamped(static_cast<std::uint32_t>(frame.rax));
    if constexpr (config::kHypercallHistory)
        vcpu.last_hypercalls.note(static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(rdi));
    Caller caller(vcpu);
    CallResult const result = call_row(number, rdi, rsi, rdx, r10, r8, caller);
    std::uint64_t value;
    if (result) [[likely]]
        value = static_cast<std::uint64_t>(result.value());
    else if (result.error() == Errno::Restart || result.error() == Errno::FrameReplaced)
        return finish_specially(cpu, found_again(caller), result.error());
    else
        value = register_value(result);
    expect_no_lock_held();
    if (nothing_waits(cpu, *cpu.current)) [[likely]] // found again: a load is cheaper than a register across the call
        return {value, static_cast<std::uint32_t>(Return::Sysret)};
    return finish_what_waits(cpu, value);
}

SyscallResult handle_guest_syscall(hv::TrapFrame& frame, hv::CpuLocal& cpu)
{
    using namespace hv;
    Vcpu& vcpu = *cpu.current;
    count(vcpu, Counter::Guest_syscall);
    if (vcpu.pv.syscall_callback.address == 0) [[unlikely]]
        return refuse_system_call(cpu, vcpu, frame);
    bool const entered = bounce_system_call(cpu, vcpu, frame, vcpu.pv.syscall_callback);
    expect_no_lock_held();
    if (entered && nothing_waits(cpu, vcpu)) [[likely]] // the guest kernel goes on at once
        return {frame.rax, static_cast<std::uint32_t>(Return::Sysret)};
    return finish_what_waits(cpu, frame.rax);
}

void handle_syscall32(hv::TrapFrame& frame)
{
    using namespace hv;
    Vcpu& vcpu = *this_cpu().current;
    if (enter_by(vcpu, frame, vcpu.pv.syscall32_callback))
        return;
    frame.rip -= kSyscallBytes;
    deliver_exception(vcpu, frame, 6, 0);
}

void handle_sysenter(hv::TrapFrame& frame)
{
    using namespace hv;
    Vcpu& vcpu = *this_cpu().current;
    if (!enter_by(vcpu, frame, vcpu.pv.sysenter_callback))
        deliver_exception(vcpu, frame, 13, 0);
}
