// SPDX-License-Identifier: MIT
// Builds and loads GDT, IDT and TSS (Intel SDM vol. 3, chapters 3.4, 6.10 and 8.7).
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/descriptors.hpp>
#include <core/domain/vcpu.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kCode64Dpl0 = 0x00af9b000000ffff;
constexpr std::uint64_t kDataDpl0 = 0x00cf93000000ffff;
constexpr std::uint64_t kCode32Dpl3 = 0x00cffb000000ffff;
constexpr std::uint64_t kDataDpl3 = 0x00cff3000000ffff;
constexpr std::uint64_t kCode64Dpl3 = 0x00affb000000ffff;
constexpr std::uint64_t kTypeLdt = 0x2;
constexpr std::uint64_t kTypeTss = 0x9;

struct Gate
{
    std::uint64_t low, high;
};

// Writable because LTR sets the busy bit in it.
alignas(4096) std::uint64_t gdt_page[512];
[[gnu::section(".sealed")]] alignas(4096) Gate idt[256] = {};

std::uint64_t& gdt_entry(std::uint16_t selector)
{
    return gdt_page[(selector & 0xff8) >> 3];
}

void write_system_descriptor(std::uint16_t selector, std::uint64_t base, std::uint32_t limit, std::uint64_t type)
{
    std::uint64_t* entry = &gdt_entry(selector);
    entry[1] = base >> 32;
    entry[0] = (limit & 0xffffull) | ((base & 0xffffff) << 16) | (type << 40) | (1ull << 47) |
               (std::uint64_t{limit & 0xf0000} << 32) | ((base >> 24 & 0xff) << 56);
}

unsigned stack_of(unsigned vector)
{
    switch (vector)
    {
    case 1: return kIstDebug;
    case 2: return kIstNmi;
    case 8: return kIstDoubleFault;
    case 18: return kIstMachineCheck;
    default: return 0;
    }
}

void build_idt()
{
    for (unsigned vector = 0; vector < 256; ++vector)
    {
        std::uint64_t const entry = exception_entry_table[vector];
        std::uint64_t const dpl = vector == 3 || vector == 4 ? 3 : 0;
        std::uint64_t const interrupt_gate = 0xe;
        idt[vector].low = (entry & 0xffff) | (std::uint64_t{layout::kSelectorHypervisorCode} << 16) |
                          (std::uint64_t{stack_of(vector)} << 32) | (interrupt_gate << 40) | (dpl << 45) |
                          (1ull << 47) | ((entry >> 16 & 0xffff) << 48);
        idt[vector].high = entry >> 32;
    }
}

TaskState& task_state(CpuId cpu)
{
    return *reinterpret_cast<TaskState*>(layout::cpu_region(cpu) + layout::kCpuLocal + kTaskStateOffset);
}

void fill_task_state(CpuId cpu)
{
    std::uint64_t const region = layout::cpu_region(cpu);
    TaskState& task = task_state(cpu);
    task.rsp[0] = region + layout::kCpuStackTop;
    task.ist[kIstDoubleFault - 1] = region + layout::kCpuDoubleFaultStackTop;
    task.ist[kIstNmi - 1] = region + layout::kCpuNmiStackTop;
    task.ist[kIstMachineCheck - 1] = region + layout::kCpuMachineCheckStackTop;
    task.ist[kIstDebug - 1] = region + layout::kCpuDebugStackTop;
    task.io_map_base = sizeof(TaskState); // beyond the limit: no port is open to ring 3
}

std::uint16_t selector_of(std::uint16_t first, CpuId cpu)
{
    return static_cast<std::uint16_t>(first + 16 * cpu.raw());
}

// A far return is the way to load CS.
void reload_segments()
{
    std::uint64_t const code = layout::kSelectorHypervisorCode;
    asm volatile("push %0\n\t"
                 "lea 1f(%%rip), %%rax\n\t"
                 "push %%rax\n\t"
                 "lretq\n"
                 "1:\n\t"
                 "mov %w1, %%ss\n\t"
                 "xor %%eax, %%eax\n\t"
                 "mov %%eax, %%ds\n\t"
                 "mov %%eax, %%es\n\t"
                 "mov %%eax, %%fs\n\t"
                 "mov %%eax, %%gs"
                 :
                 : "r"(code), "r"(std::uint64_t{layout::kSelectorHypervisorData})
                 : "rax", "memory");
}

} // namespace

void* reserved_gdt_page()
{
    return gdt_page;
}

void build_descriptor_tables()
{
    gdt_entry(layout::kSelectorHypervisorCode) = kCode64Dpl0;
    gdt_entry(layout::kSelectorHypervisorData) = kDataDpl0;
    gdt_entry(layout::kSelectorGuestCode32) = kCode32Dpl3;
    gdt_entry(layout::kSelectorGuestData) = kDataDpl3;
    gdt_entry(layout::kSelectorGuestCode64) = kCode64Dpl3;
    build_idt();
}

void load_boot_gdt()
{
    TablePointer const gdt{(layout::kReservedGdtPage + 1) * kPageSize - 1, layout::window(0)};
    asm volatile("lgdt %0" : : "m"(gdt));
}

void load_descriptor_tables(CpuId cpu)
{
    fill_task_state(cpu);
    std::uint16_t const task = selector_of(layout::kSelectorTssFirst, cpu);
    write_system_descriptor(task, reinterpret_cast<std::uint64_t>(&task_state(cpu)), sizeof(TaskState) - 1, kTypeTss);
    load_boot_gdt();
    reload_segments();
    TablePointer const interrupts{sizeof(idt) - 1, reinterpret_cast<std::uint64_t>(idt)};
    asm volatile("lidt %0" : : "m"(interrupts));
    asm volatile("ltr %0" : : "r"(task));
    asm volatile("lldt %0" : : "r"(std::uint16_t{0}));
}

void write_ldt_descriptor(CpuId cpu, std::uint64_t base, std::uint32_t entries)
{
    std::uint16_t const selector = selector_of(layout::kSelectorLdtFirst, cpu);
    if (entries == 0)
        gdt_entry(selector) = (&gdt_entry(selector))[1] = 0;
    else
        write_system_descriptor(selector, base, entries * 8 - 1, kTypeLdt);
}

} // namespace hv
