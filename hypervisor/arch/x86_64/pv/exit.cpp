// SPDX-License-Identifier: MIT
// Everything that happens on the way back to a guest, and the idle loop.
//
// Invariant: between the last look at pending work and events and the return to the guest, interrupts stay off, so
// whatever arrives later interrupts the guest at its first instruction. Each delivered event changes the frame, so the
// checks start over until nothing is left.
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/entry/entry.hpp>
#include <arch/x86_64/pv/bounce.hpp>
#include <arch/x86_64/pv/mode.hpp>
#include <arch/x86_64/pv/return.hpp>
#include <arch/x86_64/pv/switch.hpp>
#include <core/evtchn/event_channels.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/timer.hpp>
#include <core/trace/count.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

// Halts until an interrupt; the check of `work` and the halt are one step because STI takes effect after HLT.
void idle(CpuLocal& cpu)
{
    if (timers_overdue(CpuId{cpu.id})) [[unlikely]]
        fetch_or(cpu.work, work::kTimer);
    store_release(cpu.in_idle, 1u);
    full_barrier();
    if (load_acquire(cpu.work) == 0)
        asm volatile("sti\n\thlt\n\tcli" : : : "memory");
    store_release(cpu.in_idle, 0u);
}

// True: the CPU has to choose again who runs.
[[gnu::noinline]] bool do_other_work(CpuLocal& cpu, std::uint32_t bits)
{
    if ((bits & work::kTimer) != 0)
        timers_run(CpuId{cpu.id});
    if ((bits & work::kConsoleRing) != 0)
        raise_global_virq(VIRQ_CON_RING);
    bool const schedule = ((bits | load_relaxed(cpu.work)) & work::kSchedule) != 0; // also because of the above
    if (schedule)
        fetch_and(cpu.work, ~work::kSchedule);
    return schedule;
}

void do_work(CpuLocal& cpu)
{
    std::uint32_t const bits = exchange(cpu.work, 0u);
    if (bits == work::kSchedule || do_other_work(cpu, bits))
        switch_to(cpu, schedule(CpuId{cpu.id}));
}

void deliver_nmi(Vcpu& vcpu, TrapFrame& frame)
{
    vcpu.pv.nmi_pending = false;
    if (vcpu.pv.nmi_callback.address == 0)
        return;
    vcpu.pv.nmi_masked = true;
    bounce_to_kernel(vcpu, frame, {vcpu.pv.nmi_callback.address, true, false, 0});
}

bool deliver_events(CpuLocal& cpu, Vcpu& vcpu, TrapFrame& frame)
{
    count(vcpu, Counter::Upcall);
    return bounce_event(cpu, vcpu, frame);
}

// What waits, one thing at a time, until nothing is left and a vCPU is current.
void do_what_waits(CpuLocal& cpu, TrapFrame& frame)
{
    for (;;)
    {
        Vcpu* const vcpu = cpu.current;
        if (load_acquire(cpu.work) != 0)
            do_work(cpu);
        else if (vcpu == nullptr)
            idle(cpu);
        else if (vcpu->pv.nmi_pending && !vcpu->pv.nmi_masked)
            deliver_nmi(*vcpu, frame);
        else if (event_pending(*vcpu))
            (void)deliver_events(cpu, *vcpu, frame);
        else
            return;
    }
}

// No work waits. Delivering an event masks further ones, and the frame that it makes is one for SYSRET.
inline std::uint32_t deliver_and_return(CpuLocal& cpu, Vcpu& vcpu)
{
    bool const done = event_pending(vcpu) && deliver_events(cpu, vcpu, guest_frame(cpu)) && load_acquire(cpu.work) == 0;
    return static_cast<std::uint32_t>(done ? Return::Sysret : Return::Later);
}

[[gnu::noinline]] SyscallResult deliver_after_syscall(CpuLocal& cpu, std::uint64_t value)
{
    return {value, deliver_and_return(cpu, *cpu.current)};
}

} // namespace

std::uint32_t deliver_and_choose_return(Vcpu& vcpu)
{
    CpuLocal& cpu = this_cpu();
    if (load_acquire(cpu.work) != 0)
        return static_cast<std::uint32_t>(Return::Later);
    return deliver_and_return(cpu, vcpu);
}

[[gnu::noinline]] SyscallResult finish_what_waits(CpuLocal& cpu, std::uint64_t value)
{
    complete_syscall_frame(guest_frame(cpu));
    if (load_acquire(cpu.work) != 0)
        return {value, static_cast<std::uint32_t>(Return::Later)};
    return deliver_after_syscall(cpu, value);
}

[[noreturn]] void cpu_idle_loop()
{
    CpuLocal& cpu = this_cpu();
    sched_cpu_online(CpuId{cpu.id});
    fetch_or(cpu.work, work::kSchedule);
    asm volatile("mov %0, %%rsp\n\t"
                 "xor %%ebp, %%ebp\n\t"
                 "jmp exit_to_guest"
                 :
                 : "r"(reinterpret_cast<std::uint64_t>(&guest_frame(cpu)) - 8)
                 : "memory");
    __builtin_unreachable();
}

} // namespace hv

std::uint32_t prepare_exit(hv::TrapFrame& frame)
{
    using namespace hv;
    do_what_waits(this_cpu(), frame); // mostly something waits: others have looked before they come here
    expect_no_lock_held();
    return static_cast<std::uint32_t>(sysret_is_exact(frame) ? Return::Sysret : Return::Iret);
}
