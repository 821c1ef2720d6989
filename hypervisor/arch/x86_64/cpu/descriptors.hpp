// SPDX-License-Identifier: MIT
// Descriptor tables: the reserved GDT page that all windows share, the one IDT, a TSS per CPU.
#pragma once

#include <arch/x86_64/cpu/layout.hpp>

#include <cstdint>

namespace hv
{

// Intel SDM vol. 3, figure 8-11.
struct [[gnu::packed]] TaskState
{
    std::uint32_t reserved0;
    std::uint64_t rsp[3];
    std::uint64_t reserved1;
    std::uint64_t ist[7]; // ist[n] is what gates call IST n + 1
    std::uint64_t reserved2;
    std::uint16_t reserved3;
    std::uint16_t io_map_base;
};
static_assert(sizeof(TaskState) == 104);

// Which interrupt stack a vector uses; 0 is the main stack.
inline constexpr unsigned kIstDoubleFault = 1;
inline constexpr unsigned kIstNmi = 2;
inline constexpr unsigned kIstMachineCheck = 3;
inline constexpr unsigned kIstDebug = 4;

// In a CPU's CpuLocal page.
inline constexpr std::uint64_t kTaskStateOffset = 0x400;

// In the SYSCALL stub page: entry for 64-bit callers at 0, for 32-bit callers (CSTAR, AMD only) here.
inline constexpr std::uint64_t kStubCompatOffset = 0x800;

// The page behind selectors 0xe000..0xefff, in our image; every vCPU's window maps it as page 14.
void* reserved_gdt_page();

// Flat descriptors and the IDT, once on the boot CPU before the final page tables seal them.
void build_descriptor_tables();

// This CPU's TSS with its stacks, GDT, IDT, segment registers and task register.
void load_descriptor_tables(CpuId cpu);

// Back to the boot window, page 14 only: for a CPU that leaves the vCPU whose window it had loaded.
void load_boot_gdt();

// The LDT slot of `cpu` in the reserved page: what LLDT kSelectorLdtFirst + 16 * cpu loads. Entries of 0 clear it.
void write_ldt_descriptor(CpuId cpu, std::uint64_t base, std::uint32_t entries);

} // namespace hv

// Supplied by the entry code: addresses of 256 entry stubs.
extern "C" std::uint64_t const exception_entry_table[256];
