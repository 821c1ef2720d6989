// SPDX-License-Identifier: MIT
// Breakpoints of a guest never stop the hypervisor: not on its own addresses, not on its first instruction, not while it
// copies (gotchas 6, 7).
#include <tests/guests/runtime/modes.hpp>

using namespace guest;

extern "C"
{
    std::uint16_t watched_selector = FLAT_KERNEL_SS;
}

namespace
{

long set(unsigned number, std::uint64_t value)
{
    return call(__HYPERVISOR_set_debugreg, number, value);
}

constexpr std::uint64_t kOff = 0x400;
constexpr std::uint64_t kWatchWord0 = 0x401 | 7ull << 16;   // DR0: reads and writes, two bytes
constexpr std::uint64_t kWatchQuad0 = 0x401 | 0xbull << 16; // eight bytes

void ours_cannot_be_watched()
{
    for (std::uint64_t where :
         {0xffff800000000000ull, 0xffff808000000000ull, 0xffff810000000000ull, 0xffff818000000000ull,
          0xffff840000000000ull, 0xffff87ffffffffffull, 0xffff7fffffffffffull, 0x800000000000ull})
        for (unsigned number = 0; number < 4; ++number)
            EXPECT_EQ(set(number, where), -1);
    EXPECT_EQ(set(0, 0xffff880000000000), 0);
    EXPECT_EQ(set(0, 0x7fffffffffff), 0);
    EXPECT(TRAPS(13, "mov $0xffff830000000000, %%rax; mov %%rax, %%dr0"));
    EXPECT_EQ(call(__HYPERVISOR_get_debugreg, 0), 0x7fffffffffff);
    EXPECT_EQ(set(7, 0x2401), -1);             // GD
    EXPECT_EQ(set(7, 0x401 | 2ull << 16), -1); // an I/O breakpoint without CR4.DE
    EXPECT_EQ(set(8, 0), -19);
    EXPECT_EQ(set(0xffffffff, 0), -19);
    EXPECT_EQ(call(__HYPERVISOR_get_debugreg, 8), -19);
    EXPECT_EQ(set(6, 1ull << 32), -22);
}

// #DB becomes due with MOV SS and arrives after the next instruction: in the hypervisor's entry (XSA-260).
void delayed_to_our_entry()
{
    EXPECT_EQ(set(0, address(&watched_selector)), 0);
    EXPECT_EQ(set(7, kWatchWord0), 0);
    for (unsigned round = 0; round < 4; ++round)
    {
        long version = 0;
        asm volatile("xor %%edi, %%edi; xor %%esi, %%esi; mov $17, %%eax; mov watched_selector(%%rip), %%ss; syscall"
                     : "=a"(version)
                     :
                     : "rdi", "rsi", "rcx", "r11", "memory");
        EXPECT_EQ(version, 0x00040011);
        std::uint64_t next;
        asm volatile("lea 9f(%%rip), %0" : "=r"(next));
        resume_at = next;
        asm volatile("mov watched_selector(%%rip), %%ss; int $0x80\n9:" : : : "memory");
        asm volatile("lea 9f(%%rip), %0" : "=r"(next));
        resume_at = next;
        asm volatile("mov watched_selector(%%rip), %%ss; int3\n9:" : : : "memory");
        asm volatile("lea 9f(%%rip), %0" : "=r"(next));
        resume_at = next;
        asm volatile("mov watched_selector(%%rip), %%ss; ud2\n9:" : : : "memory");
        resume_at = 0;
    }
    EXPECT_EQ(set(7, kOff), 0);
}

void while_we_copy()
{
    alignas(8) static abi::xen_feature_info info;
    EXPECT_EQ(set(0, address(&info)), 0);
    EXPECT_EQ(set(7, kWatchQuad0), 0);
    for (unsigned round = 0; round < 100; ++round)
        EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_get_features, address(&info)), 0);
    EXPECT_EQ(set(7, kOff), 0);
    EXPECT((info.submap & 1u << XENFEAT_mmu_pt_update_preserve_ad) != 0);
}

void they_do_work()
{
    static std::uint64_t volatile target;
    EXPECT_EQ(set(0, address(const_cast<std::uint64_t*>(&target))), 0);
    EXPECT_EQ(set(6, 0), 0);
    EXPECT_EQ(set(7, kWatchQuad0), 0);
    unsigned const before = trap_count;
    target = 1;
    EXPECT_EQ(trap_count, before + 1);
    EXPECT_EQ(last_trap.vector, 1);
    EXPECT_EQ(call(__HYPERVISOR_get_debugreg, 6) & 0xf, 1);
    EXPECT_EQ(set(7, kOff), 0);
    target = 2;
    EXPECT_EQ(trap_count, before + 1);
}

void steps_through_calls()
{
    // TF set at SYSCALL: the step must not be ours.
    unsigned const before = trap_count;
    long version = 0;
    asm volatile("xor %%edi, %%edi; xor %%esi, %%esi; mov $17, %%eax; pushfq; orq $0x100, (%%rsp); popfq; syscall; mov "
                 "%%rax, %0;"
                 "pushfq; andq $~0x100, (%%rsp); popfq"
                 : "=r"(version)
                 :
                 : "rax", "rdi", "rsi", "rcx", "r11", "memory", "cc");
    EXPECT_EQ(version, 0x00040011);
    EXPECT(trap_count > before && last_trap.vector == 1);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    ours_cannot_be_watched();
    delayed_to_our_entry();
    while_we_copy();
    they_do_work();
    steps_through_calls();
    finish();
}
