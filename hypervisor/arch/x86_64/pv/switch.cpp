// SPDX-License-Identifier: MIT
// The context switch.
#include <arch/x86_64/pv/switch.hpp>

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/descriptors.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/pv/bounce.hpp>
#include <arch/x86_64/pv/fpu.hpp>
#include <arch/x86_64/pv/mode.hpp>
#include <arch/x86_64/pv/segments.hpp>
#include <arch/x86_64/pv/tsc_aux.hpp>
#include <arch/x86_64/pv/window.hpp>
#include <arch/x86_64/smp/tlb.hpp>
#include <core/domain/carried_vcpu.hpp>
#include <core/policy/control_registers.hpp>
#include <core/policy/debug_registers.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

// A frame's registers, in whole words: the compiler would first look whether they are aligned.
void copy_frame(void* to, void const* from)
{
    std::size_t words = sizeof(TrapFrame) / 8;
    static_assert(sizeof(TrapFrame) % 8 == 0);
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
}

void save_context(Vcpu& vcpu, TrapFrame const& frame)
{
    copy_frame(&vcpu.pv.regs, &frame);
    save_segments(vcpu.pv);
    save_fpu(vcpu.pv);
}

void load_hardware_state(CpuLocal& cpu, Vcpu& vcpu, TrapFrame& frame)
{
    // The CPU that kept this vCPU's state lazily must let go first: its tables may change from now on.
    take_over(cpu, vcpu, [](CpuId old_cpu) { port::flush_tlb(CpuMask::of(old_cpu), port::Flush::All); });
    load_root(cpu, vcpu.pv.in_kernel ? vcpu.pv.kernel_root : vcpu.pv.user_root);
    flush_everything(cpu, policy::hardware_cr4(read_cr4(), vcpu.pv.cr4));
    load_window_gdt(vcpu);
    load_window_ldt(vcpu);
    load_fpu(vcpu.pv);
    load_debug_registers(vcpu);
    load_tsc_aux(vcpu);
    if (!load_segments(vcpu.pv))
        deliver_failsafe(vcpu, frame);
}

} // namespace

void load_debug_registers(Vcpu const& vcpu)
{
    std::uint64_t const dr7 = policy::hardware_dr7(vcpu.pv);
    if (dr7 != policy::kDr7Reset)
    {
        asm volatile("mov %0, %%dr0" : : "r"(vcpu.pv.debug_address[0]));
        asm volatile("mov %0, %%dr1" : : "r"(vcpu.pv.debug_address[1]));
        asm volatile("mov %0, %%dr2" : : "r"(vcpu.pv.debug_address[2]));
        asm volatile("mov %0, %%dr3" : : "r"(vcpu.pv.debug_address[3]));
    }
    asm volatile("mov %0, %%dr7" : : "r"(dr7));
}

void port::debug_registers_changed(Vcpu& vcpu)
{
    if (port::current() == &vcpu)
        load_debug_registers(vcpu);
}

void switch_to(CpuLocal& cpu, Vcpu* next)
{
    TrapFrame& frame = guest_frame(cpu);
    Vcpu* const previous = cpu.current;
    if (previous == next)
        return;
    if (previous != nullptr)
    {
        vcpu_time_on_schedule_out(*previous);
        save_context(*previous, frame);
        cpu.current = nullptr;
        sched_context_saved(*previous);
    }
    if (next == nullptr)
        return;
    cpu.current = next;
    copy_frame(&frame, &next->pv.regs);
    if (carries(cpu, *next))
        load_fpu_controls(next->pv); // which saving its FPU state has changed
    else
        load_hardware_state(cpu, *next, frame);
    vcpu_time_on_schedule_in(*next);
}

void drop_lazy_state()
{
    CpuLocal& cpu = this_cpu();
    let_go_if_idle(cpu, [&cpu] {
        cpu.loaded_root = cpu.idle_root;
        write_cr3(cpu.idle_root);
        asm volatile("lldt %0" : : "r"(std::uint16_t{0}) : "memory");
        load_boot_gdt();
    });
}

void port::unload_domain(Domain& domain)
{
    for (std::uint32_t id = 0; id < domain.vcpu_count; ++id)
        if (std::uint32_t const cpu = load_acquire(domain.vcpus[id]->loaded_cpu); cpu != kNotLoaded)
            port::flush_tlb(CpuMask::of(CpuId{cpu}), port::Flush::All);
}

} // namespace hv
