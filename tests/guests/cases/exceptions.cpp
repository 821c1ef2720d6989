// SPDX-License-Identifier: MIT
// Exceptions reach the guest's handlers with the frames that the ABI promises (surface 1.8; gotchas 9, 13, 14).
#include <tests/guests/runtime/guest.hpp>

using namespace guest;

namespace
{

void page_faults()
{
    EXPECT(TRAPS(14, "mov 0x7000000000, %%rax")); // nothing mapped there
    EXPECT_EQ(fault_address(), 0x7000000000);
    EXPECT_EQ(last_trap.error, 0); // read, not present, and "kernel" although the CPU says user
    EXPECT_EQ(make_read_only(page(0)), 0);
    std::uint64_t* const target = page(0);
    asm volatile("mov %0, %%r9" : : "r"(target) : "r9");
    EXPECT(TRAPS(14, "movq $1, (%%r9)"));
    EXPECT_EQ(last_trap.error, 3); // write, present
    EXPECT_EQ(fault_address(), address(target));
    EXPECT_EQ(make_writable(page(0)), 0);
    EXPECT(TRAPS(14, "mov 0xffff830000000000, %%rax")); // our part of the address space
}

void software_interrupts()
{
    EXPECT(TRAPS(3, "int3"));
    // Vector 0x80 is registered with DPL 0: the kernel counts as ring 1 and may not use it.
    EXPECT(TRAPS(13, "int $0x80"));
    EXPECT_EQ(last_trap.error, 0x402);
    EXPECT(TRAPS(13, "int $0x21"));
    EXPECT_EQ(last_trap.error, 0x21 * 8 + 2);
}

void faults()
{
    EXPECT(TRAPS(6, "ud2"));
    EXPECT(TRAPS(0, "xor %%edx, %%edx; xor %%ecx, %%ecx; div %%ecx"));
    EXPECT(TRAPS(13, "mov $0x7fffffff, %%eax; mov %%ax, %%ds; mov $0xffff, %%eax; mov %%ax, %%fs"));
    EXPECT(TRAPS(13, "hlt"));
    EXPECT(TRAPS(13, "lgdt (%%rsp)"));
    EXPECT(TRAPS(13, "mov $0x4000000000000000, %%rax; mov (%%rax), %%rax")); // not canonical
    EXPECT((last_trap.cs & 3) == 0);                                         // a frame from kernel mode says ring 0
}

void single_step()
{
    unsigned const before = trap_count;
    asm volatile("pushfq; orq $0x100, (%%rsp); popfq; nop; pushfq; andq $~0x100, (%%rsp); popfq" : : : "memory", "cc");
    EXPECT(trap_count > before && last_trap.vector == 1);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    page_faults();
    software_interrupts();
    faults();
    single_step();
    finish();
}
