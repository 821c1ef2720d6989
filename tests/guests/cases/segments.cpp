// SPDX-License-Identifier: MIT
// Descriptor tables and segment bases: nothing leads to ring 0, nothing faults in the hypervisor (gotchas 2, 16-20).
#include <tests/guests/runtime/guest.hpp>

using namespace guest;

namespace
{

constexpr std::uint64_t kData = 0x00cff3000000ffff;      // DPL 3 data
constexpr std::uint64_t kRing0Data = 0x00cf93000000ffff; // becomes DPL 3
constexpr std::uint64_t kTss = 0x0000890000000067;
constexpr std::uint64_t kInterruptGate = 0x00008e0000080000;

long set_gdt(unsigned index, unsigned entries)
{
    std::uint64_t const frames[1] = {frame_of(page(index))};
    return call(__HYPERVISOR_set_gdt, address(frames), entries);
}

void gdt()
{
    std::uint64_t* const table = page(0);
    table[1] = kRing0Data;
    EXPECT_EQ(set_gdt(0, 512), -22); // writable mapping
    EXPECT_EQ(make_read_only(table), 0);
    EXPECT_EQ(set_gdt(0, 512), 0);
    EXPECT(make_writable(table) != 0);
    EXPECT_EQ(table[1] >> 45 & 3, 3); // the audit raised the privilege level
    asm volatile("mov %0, %%ds" : : "r"(0x0b));
    std::uint64_t const where = frame_of(table) << 12;
    EXPECT_EQ(call(__HYPERVISOR_update_descriptor, where + 16, kData), 0);
    EXPECT_EQ(call(__HYPERVISOR_update_descriptor, where + 16, kTss), -22);
    EXPECT_EQ(call(__HYPERVISOR_update_descriptor, where + 16, kInterruptGate), -22);
    EXPECT_EQ(call(__HYPERVISOR_update_descriptor, where + 17, kData), -22);
    EXPECT(call(__HYPERVISOR_update_descriptor, frame_of(reinterpret_cast<void*>(start_info->pt_base)) << 12, kData) !=
           0);
    page(1)[1] = kTss;
    EXPECT_EQ(make_read_only(page(1)), 0);
    EXPECT_EQ(set_gdt(1, 512), -22);
    EXPECT_EQ(call(__HYPERVISOR_set_gdt, address(page(2)), 7169), -22);
    asm volatile("mov %0, %%ds" : : "r"(0));
    EXPECT_EQ(call(__HYPERVISOR_set_gdt, 0, 0), 0);
    EXPECT_EQ(make_writable(table), 0);
}

void ldt()
{
    std::uint64_t* const table = page(3);
    table[1] = kData;
    EXPECT_EQ(make_read_only(table), 0);
    EXPECT_EQ(extended(MMUEXT_SET_LDT, address(table), 512), 0);
    asm volatile("mov %0, %%es" : : "r"(0x0f)); // the first use validates the page
    EXPECT(make_writable(table) != 0);
    EXPECT(TRAPS(13, "mov $0x2007, %%eax; mov %%ax, %%es")); // beyond the limit
    asm volatile("mov %0, %%es" : : "r"(0));
    EXPECT_EQ(extended(MMUEXT_SET_LDT, 0, 0), 0);
    EXPECT_EQ(make_writable(table), 0);
    EXPECT_EQ(extended(MMUEXT_SET_LDT, 0xffff840000000000, 1), -22);
    EXPECT_EQ(extended(MMUEXT_SET_LDT, address(table) + 8, 1), -22);
    EXPECT_EQ(extended(MMUEXT_SET_LDT, address(table), 8193), -22);
}

void bases()
{
    for (unsigned which = SEGBASE_FS; which <= SEGBASE_GS_KERNEL; ++which)
        EXPECT_EQ(call(__HYPERVISOR_set_segment_base, which, 0x8000000000000000), -22);
    EXPECT_EQ(call(__HYPERVISOR_set_segment_base, SEGBASE_FS, address(page(4))), 0);
    page(4)[3] = 0x1234;
    std::uint64_t value = 0;
    asm volatile("mov %%fs:24, %0" : "=r"(value));
    EXPECT_EQ(value, 0x1234);
    EXPECT_EQ(call(__HYPERVISOR_set_segment_base, SEGBASE_GS_USER_SEL, 0xfff0), 0); // a bad selector becomes null
    EXPECT(TRAPS(13, "mov $0xc0000100, %%ecx; xor %%eax, %%eax; mov $0x80000000, %%edx; wrmsr"));
    asm volatile("wrmsr" : : "c"(0xc0000101), "a"(0x5000), "d"(0));
    std::uint32_t low, high;
    asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000101));
    EXPECT(low == 0x5000 && high == 0);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    gdt();
    ldt();
    bases();
    finish();
}
