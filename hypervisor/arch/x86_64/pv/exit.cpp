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

void do_work(CpuLocal& cpu)
{
    std::uint32_t const bits = exchange(cpu.work, 0u);
    if ((bits & work::kTimer) != 0)
        timers_run(CpuId{cpu.id});
    if ((bits & work::kConsoleRing) != 0)
        raise_global_virq(VIRQ_CON_RING);
    if (((bits | load_relaxed(cpu.work)) & work::kSchedule) != 0)
    {
        fetch_and(cpu.work, ~work::kSchedule);
        switch_to(schedule(CpuId{cpu.id}));
    }
}

void deliver_nmi(Vcpu& vcpu, TrapFrame& frame)
{
    vcpu.pv.nmi_pending = false;
    if (vcpu.pv.nmi_callback.address == 0)
        return;
    vcpu.pv.nmi_masked = true;
    bounce_to_kernel(vcpu, frame, {vcpu.pv.nmi_callback.address, true, false, 0});
}

void deliver_events(Vcpu& vcpu, TrapFrame& frame)
{
    count(vcpu, Counter::Upcall);
    bounce_to_kernel(vcpu, frame, {vcpu.pv.event_callback.address, true, false, 0});
}

// What waits, one thing at a time, until nothing is left and a vCPU is current.
[[gnu::noinline]] void do_what_waits(CpuLocal& cpu, TrapFrame& frame)
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
            deliver_events(*vcpu, frame);
        else
            return;
    }
}

inline std::uint32_t deliver_events_only(CpuLocal& cpu, Vcpu& vcpu)
{
    TrapFrame& frame = guest_frame(cpu);
    if (load_acquire(cpu.work) == 0 && event_pending(vcpu))
    {
        deliver_events(vcpu, frame);
        if (nothing_waits(cpu, vcpu))
            return static_cast<std::uint32_t>(sysret_is_exact(frame) ? Return::Sysret : Return::Iret);
    }
    return static_cast<std::uint32_t>(Return::Later);
}

} // namespace

std::uint32_t deliver_and_choose_return(Vcpu& vcpu)
{
    return deliver_events_only(this_cpu(), vcpu);
}

[[gnu::noinline]] SyscallResult finish_what_waits(CpuLocal& cpu, std::uint64_t value)
{
    complete_syscall_frame(guest_frame(cpu));
    return {value, deliver_events_only(cpu, *cpu.current)};
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
    CpuLocal& cpu = this_cpu();
    if (cpu.current == nullptr || !nothing_waits(cpu, *cpu.current))
        do_what_waits(cpu, frame);
    expect_no_lock_held();
    return static_cast<std::uint32_t>(sysret_is_exact(frame) ? Return::Sysret : Return::Iret);
}
