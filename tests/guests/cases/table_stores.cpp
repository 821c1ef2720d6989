// SPDX-License-Identifier: MIT
// Plain stores to L1 tables are carried out with the writable-page-tables assist, and only there (gotcha 32).
#include <tests/guests/runtime/guest.hpp>

using namespace guest;

void run()
{
    install_shared();
    install_traps();
    std::uint64_t* const table = page(0);
    EXPECT_EQ(make_read_only(table), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(table)), 0);
    std::uint64_t const frame = frame_of(page(1)) << 12;
    asm volatile("mov %0, %%r9; mov %1, %%r10" : : "r"(table), "r"(frame | kReadOnlyLeaf) : "r9", "r10");
    EXPECT(TRAPS(14, "mov %%r10, (%%r9)")); // without the assist
    EXPECT_EQ(call(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables), 0);
    auto volatile* const entry = table;
    entry[0] = frame | kTable;
    EXPECT((entry[0] & (frame | kPresent | kWritable)) == (frame | kPresent | kWritable));
    std::uint64_t old = 0;
    asm volatile("xchg %0, (%1)" : "+r"(old) : "r"(table) : "memory");
    EXPECT((old & (frame | kWritable)) == (frame | kWritable) && entry[0] == 0);
    entry[0] = frame | kTable;
    asm volatile("lock andb $0xfd, (%0)" : : "r"(table) : "memory", "cc"); // clears the writable bit
    EXPECT((entry[0] & kWritable) == 0);
    unsigned char carry = 0;
    asm volatile("lock btrq $5, (%1); setc %0" : "=r"(carry) : "r"(table) : "memory", "cc");
    EXPECT(carry == 1 && (entry[0] & kAccessed) == 0);
    // What an update may not say, a store may not either: the table's own frame, writable.
    std::uint64_t const self = frame_of(table) << 12 | kTable;
    asm volatile("mov %0, %%r9; mov %1, %%r10" : : "r"(table), "r"(self) : "r9", "r10");
    EXPECT(TRAPS(14, "mov %%r10, (%%r9)"));
    EXPECT(TRAPS(14, "mov %%r10, 4(%%r9)")); // across two entries
    // Not for upper levels: the root.
    asm volatile("mov %0, %%r9" : : "r"(start_info->pt_base) : "r9");
    EXPECT(TRAPS(14, "movq $0, 8(%%r9)"));
    entry[0] = 0;
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(table)), 0);
    EXPECT_EQ(make_writable(table), 0);
    finish();
}
