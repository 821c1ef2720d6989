// SPDX-License-Identifier: MIT
// A guest cannot get write access to a page table, nor a table with entries it may not have (gotchas 26, 29, 30, 32, 37).
#include <tests/guests/runtime/guest.hpp>

using namespace guest;

namespace
{

constexpr std::uint64_t kInvalidFrame = 0xffffffffff;

// Makes page `index` an L1 table that is pinned; its only mapping is read-only.
void pin_l1(unsigned index)
{
    EXPECT_EQ(make_read_only(page(index)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(index))), 0);
}

void tables_are_read_only()
{
    auto const* root = reinterpret_cast<std::uint64_t*>(start_info->pt_base);
    EXPECT(map(root, frame_of(root) << 12 | kTable) != 0);
    EXPECT(mmu_update(entry_address(root), frame_of(root) << 12 | kTable) != 0);
    EXPECT(TRAPS(14, "mov start_info(%%rip), %%rax; mov 88(%%rax), %%rax; movq $0, (%%rax)"));
}

void pinning_needs_no_writer()
{
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(1))), -22); // still mapped writable
    pin_l1(1);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(1))), -22); // already pinned
    EXPECT(make_writable(page(1)) != 0);                              // and now it may not be written
    EXPECT_EQ(extended(MMUEXT_PIN_L2_TABLE, frame_of(page(1))), -22); // nor be another level
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(page(1))), 0);
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(page(1))), -22);
    EXPECT_EQ(make_writable(page(1)), 0);
}

void entries_are_checked()
{
    pin_l1(2);
    std::uint64_t const table = frame_of(page(2)) << 12;
    std::uint64_t const frame = frame_of(page(3)) << 12;
    EXPECT_EQ(mmu_update(table, frame | kReadOnlyLeaf), 0);
    EXPECT(mmu_update(table, frame_of(page(2)) << 12 | kTable) != 0);        // the table itself, writable
    EXPECT(mmu_update(table + 8, kInvalidFrame << 12 | kReadOnlyLeaf) != 0); // no such frame
    EXPECT(mmu_update(table + 8, frame | kReadOnlyLeaf | 1ull << 51) != 0);  // beyond physical addresses
    // The fast path for flags must not let write access through (XSA-182).
    EXPECT(mmu_update(table, frame_of(page(2)) << 12 | kReadOnlyLeaf) == 0);
    EXPECT(mmu_update(table, frame_of(page(2)) << 12 | kReadOnlyLeaf | kWritable) != 0);
    EXPECT_EQ(mmu_update(table, 0), 0);
    EXPECT_EQ(mmu_update(table + 16, 0x123456789abcd000), 0); // not present: free-form
    EXPECT_EQ(mmu_update(table + 16, 0), 0);
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(page(2))), 0);
    EXPECT_EQ(make_writable(page(2)), 0);
}

void upper_levels()
{
    page(4)[0] = frame_of(page(5)) << 12 | kTable | kSuper; // a superpage in an L2
    EXPECT_EQ(make_read_only(page(4)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L2_TABLE, frame_of(page(4))), -22);
    EXPECT_EQ(make_writable(page(4)), 0);
    page(4)[0] = frame_of(page(4)) << 12 | kTable; // an L2 that contains itself
    EXPECT_EQ(make_read_only(page(4)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L2_TABLE, frame_of(page(4))), -22);
    EXPECT_EQ(make_writable(page(4)), 0);
    page(4)[0] = 0;
    // Our slots of the root are nobody's.
    std::uint64_t const root = frame_of(reinterpret_cast<void*>(start_info->pt_base)) << 12;
    EXPECT(mmu_update(root + 256 * 8, 0) != 0);
    EXPECT(mmu_update(root + 271 * 8, frame_of(page(4)) << 12 | kTable) != 0);
}

void odd_addresses()
{
    EXPECT(call(__HYPERVISOR_update_va_mapping, 0x8000000000000000, 0, UVMF_INVLPG | UVMF_ALL) < 0); // XSA-279
    EXPECT(call(__HYPERVISOR_update_va_mapping, 0xffff830000000000, 0, UVMF_INVLPG | UVMF_ALL) < 0);
    EXPECT(call(__HYPERVISOR_update_va_mapping, 0x7000000000, 0, 0) < 0);
    abi::mmuext_op flush{};
    flush.cmd = MMUEXT_INVLPG_ALL;
    flush.arg1.linear_addr = 0x8000000000000000;
    EXPECT_EQ(call(__HYPERVISOR_mmuext_op, address(&flush), 1, 0, 0x7ff0), 0);
    EXPECT_EQ(mmu_update(~0ull & ~7ull, 0), -22);
    EXPECT(mmu_update(entry_address(page(0)), 0, 0x1234) < 0); // no such domain
}

void progress_is_exact()
{
    abi::mmu_update list[3] = {{entry_address(page(6)), frame_of(page(6)) << 12 | kReadOnlyLeaf},
                               {entry_address(page(6)), kInvalidFrame << 12 | kReadOnlyLeaf},
                               {entry_address(page(6)), 0}};
    unsigned done = 77;
    EXPECT(call(__HYPERVISOR_mmu_update, address(list), 3, address(&done), 0x7ff0) < 0);
    EXPECT_EQ(done, 1);
    EXPECT_EQ(make_writable(page(6)), 0);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    tables_are_read_only();
    pinning_needs_no_writer();
    entries_are_checked();
    upper_levels();
    odd_addresses();
    progress_is_exact();
    finish();
}
