// SPDX-License-Identifier: MIT
// Switching between guest kernel and guest user mode.
#include <arch/x86_64/pv/mode.hpp>

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <port/port.hpp>

namespace hv
{

void load_root(Mfn root)
{
    load_root(this_cpu(), root);
}

void load_root(CpuLocal& cpu, Mfn root)
{
    std::uint64_t const value = to_address(root).raw();
    if (cpu.loaded_root == value)
        return;
    cpu.loaded_root = value;
    write_cr3(value);
}

void port::show_kernel_memory(Vcpu const& vcpu)
{
    if (!vcpu.pv.in_kernel)
        load_root(vcpu.pv.kernel_root);
}

void port::hide_kernel_memory(Vcpu const& vcpu)
{
    if (!vcpu.pv.in_kernel)
        load_root(vcpu.pv.user_root);
}

void leave_user_mode(CpuLocal& cpu, Vcpu& vcpu)
{
    vcpu.pv.in_kernel = true;
    asm volatile("swapgs" : : : "memory");
    load_root(cpu, vcpu.pv.kernel_root);
}

void enter_user_mode(Vcpu& vcpu)
{
    if (!vcpu.pv.in_kernel)
        return;
    vcpu.pv.in_kernel = false;
    asm volatile("swapgs" : : : "memory");
    load_root(vcpu.pv.user_root);
}

} // namespace hv
