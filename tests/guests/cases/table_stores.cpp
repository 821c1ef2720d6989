// SPDX-License-Identifier: MIT
// Plain stores to L1 tables are carried out with the writable-page-tables assist, and only there (gotcha 32).
#include <tests/guests/runtime/guest.hpp>

using namespace guest;

namespace
{

// A long teardown stops half-way and is carried on before the next table operation. A store to a table that this takes away
// was looked up before it and carried out after it: the references that the entry held were dropped twice, and the page could
// become a table while it was still mapped writable.
void a_teardown_takes_the_table_away()
{
    constexpr unsigned kFirstFull = 4; // slots 1 to 4 of the L2: L1 tables with all entries in use
    std::uint64_t* const upper = page(2);
    std::uint64_t* const small = page(3);
    std::uint64_t const victim = frame_of(page(9)); // mapped writable by the root, too
    for (unsigned i = 0; i < 512; ++i)
        for (unsigned full = 0; full < 4; ++full)
            page(kFirstFull + full)[i] = frame_of(page(8)) << 12 | kReadOnlyLeaf;
    small[0] = victim << 12 | kTable;
    upper[0] = frame_of(small) << 12 | kTable;
    for (unsigned full = 0; full < 4; ++full)
        upper[1 + full] = frame_of(page(kFirstFull + full)) << 12 | kTable;
    for (unsigned i = 2; i < kFirstFull + 4; ++i)
        EXPECT_EQ(make_read_only(page(i)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L2_TABLE, frame_of(upper)), 0);
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(upper)), 0); // what is left of it reaches down to `small`
    asm volatile("mov %0, %%r9" : : "r"(small) : "r9");
    EXPECT(TRAPS(14, "movq $0, (%%r9)")); // plain memory by now, and only readable
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, victim), -22);
    for (unsigned i = 2; i < kFirstFull + 4; ++i)
    {
        EXPECT_EQ(make_writable(page(i)), 0);
        memset(page(i), 0, 4096);
    }
    EXPECT_EQ(make_read_only(page(9)), 0); // its one writable use is still counted
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, victim), 0);
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, victim), 0);
    EXPECT_EQ(make_writable(page(9)), 0);
}

} // namespace

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
    a_teardown_takes_the_table_away();
    finish();
}
