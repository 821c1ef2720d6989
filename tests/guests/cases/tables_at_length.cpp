// SPDX-License-Identifier: MIT
// Long work on tables stops and goes on without losing or leaking anything; the machine-to-phys table may hold any nonsense
// (gotchas 11, 17, 28, 35, 38).
#include <tests/guests/runtime/modes.hpp>

using namespace guest;

namespace
{

std::uint64_t table(unsigned index)
{
    return frame_of(page(index)) << 12 | kTable;
}

// 512 * 512 entries in four pages: one L1 linked by every entry of one L2, and so on upwards.
void a_large_tree_pins_and_unpins()
{
    for (unsigned i = 0; i < 512; ++i)
    {
        page(0)[i] = frame_of(page(8)) << 12 | kReadOnlyLeaf;
        page(1)[i] = table(0);
        page(2)[i] = table(1);
        page(3)[i] = i < 256 || i > 271 ? table(2) : ~0ull; // our slots are not looked at
    }
    for (unsigned i = 0; i < 4; ++i)
        EXPECT_EQ(make_read_only(page(i)), 0);
    for (unsigned round = 0; round < 3; ++round)
    {
        EXPECT_EQ(extended(MMUEXT_PIN_L4_TABLE, frame_of(page(3))), 0);
        EXPECT_EQ(extended(MMUEXT_PIN_L4_TABLE, frame_of(page(3))), -22);
        EXPECT(make_writable(page(0)) != 0);
        EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(page(3))), 0);
        EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(page(3))), -22);
    }
    for (unsigned i = 0; i < 4; ++i)
    {
        EXPECT_EQ(make_writable(page(i)), 0); // nothing holds them any more
        memset(page(i), 0, 4096);
    }
}

// A bad entry deep down: everything above is undone, however far the work had come.
void a_refused_tree_leaves_nothing()
{
    for (unsigned bad : {0u, 300u, 511u})
    {
        for (unsigned i = 0; i < 512; ++i)
        {
            page(0)[i] = frame_of(page(8)) << 12 | kReadOnlyLeaf;
            page(1)[i] = i == bad ? table(3) | kSuper : table(0);
            page(2)[i] = table(1);
        }
        for (unsigned i = 0; i < 3; ++i)
            EXPECT_EQ(make_read_only(page(i)), 0);
        EXPECT_EQ(extended(MMUEXT_PIN_L3_TABLE, frame_of(page(2))), -22);
        for (unsigned i = 0; i < 3; ++i)
            EXPECT_EQ(make_writable(page(i)), 0);
    }
    for (unsigned i = 0; i < 3; ++i)
        memset(page(i), 0, 4096);
}

void long_batches_keep_their_registers()
{
    // 3000 updates restart at least once; number, pointer and count have to survive that.
    static abi::mmu_update list[3000];
    for (auto& one : list)
        one = {entry_address(page(9)), frame_of(page(9)) << 12 | kTable};
    unsigned done = 0;
    EXPECT_EQ(call(__HYPERVISOR_mmu_update, address(list), 3000, address(&done), DOMID_SELF), 0);
    EXPECT_EQ(done, 3000);
    list[2500].val = 0xffffffffffull << 12 | kTable;
    EXPECT(call(__HYPERVISOR_mmu_update, address(list), 3000, address(&done), DOMID_SELF) < 0);
    EXPECT_EQ(done, 2500);
    // Inside a multicall the entry restarts, and what follows it still runs, once.
    static abi::multicall_entry calls[3];
    list[2500] = list[0];
    calls[0].op = calls[2].op = __HYPERVISOR_xen_version;
    calls[1].op = __HYPERVISOR_mmu_update;
    calls[1].args[0] = address(list);
    calls[1].args[1] = 3000;
    calls[1].args[2] = address(&done);
    calls[1].args[3] = DOMID_SELF;
    EXPECT_EQ(call(__HYPERVISOR_multicall, address(calls), 3), 0);
    EXPECT(calls[0].result == 0x00040011 && calls[1].result == 0 && calls[2].result == 0x00040011);
    EXPECT_EQ(done, 3000);
}

// A preempted count that we made up ourselves is no more than a count.
void forged_progress()
{
    abi::mmu_update one{entry_address(page(9)), frame_of(page(9)) << 12 | kTable};
    unsigned done = 5;
    EXPECT_EQ(call(__HYPERVISOR_mmu_update, address(&one), 1 | 1u << 31, address(&done), DOMID_SELF), 0);
    EXPECT(done == 6 || done == 1);
    EXPECT(call(__HYPERVISOR_mmu_update, 0x7000000000, 0x7fffffff, 0, DOMID_SELF) == -14);
    EXPECT(call(__HYPERVISOR_mmuext_op, 0x7000000000, 0xffffffff, 0, DOMID_SELF) == -14);
}

void nonsense_in_the_machine_to_phys_table()
{
    std::uint64_t const frame = frame_of(page(10));
    auto const* const m2p = reinterpret_cast<std::uint64_t const volatile*>(0xffff800000000000);
    for (std::uint64_t pfn : {~0ull, 0x5555555555555555ull, 1ull << 63, 1ull << 40, 0ull})
    {
        EXPECT_EQ(mmu_update(frame << 12 | MMU_MACHPHYS_UPDATE, pfn), 0);
        EXPECT_EQ(m2p[frame], pfn);
        EXPECT_EQ(make_read_only(page(10)), 0);
        EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame), 0);
        EXPECT_EQ(mmu_update(frame << 12, frame_of(page(11)) << 12 | kReadOnlyLeaf), 0);
        EXPECT_EQ(mmu_update(frame << 12, 0), 0);
        EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame), 0);
        EXPECT_EQ(make_writable(page(10)), 0);
        EXPECT_EQ(extended(MMUEXT_CLEAR_PAGE, frame), 0);
    }
    EXPECT_EQ(mmu_update(frame << 12 | MMU_MACHPHYS_UPDATE, address(page(10)) >> 12), 0);
    EXPECT(mmu_update(0xffffffffffull << 12 | MMU_MACHPHYS_UPDATE, 1) < 0);
    EXPECT(mmu_update(0 | MMU_MACHPHYS_UPDATE, 1) < 0);                    // frame 0 is not ours
    EXPECT(TRAPS(14, "mov $0xffff800000000000, %%rax; movq $0, (%%rax)")); // only readable
}

// A second root; the LDT's pages were found through the first, so its window is dropped with it.
void roots_change()
{
    std::uint64_t const root = frame_of(reinterpret_cast<void*>(start_info->pt_base));
    auto const* const entries = reinterpret_cast<std::uint64_t const*>(start_info->pt_base);
    for (unsigned i = 0; i < 512; ++i)
        page(12)[i] = entries[i];
    EXPECT_EQ(make_read_only(page(12)), 0);
    page(13)[1] = 0x00cff3000000ffff;
    EXPECT_EQ(make_read_only(page(13)), 0);
    EXPECT_EQ(extended(MMUEXT_SET_LDT, address(page(13)), 512), 0);
    asm volatile("mov %0, %%es" : : "r"(0x0f));
    asm volatile("mov %0, %%es" : : "r"(0));
    EXPECT(make_writable(page(13)) != 0);
    EXPECT_EQ(extended(MMUEXT_NEW_BASEPTR, frame_of(page(12))), 0);
    EXPECT_EQ(make_writable(page(13)), 0);
    EXPECT(make_writable(page(12)) != 0);
    page(13)[1] = 0x0000890000000067; // a TSS, now that it is plain memory
    EXPECT(TRAPS(13, "mov $0x0f, %%eax; mov %%ax, %%es") || last_trap.vector == 14); // not audited, not loaded
    page(13)[1] = 0;
    EXPECT_EQ(extended(MMUEXT_SET_LDT, 0, 0), 0);
    EXPECT_EQ(extended(MMUEXT_NEW_BASEPTR, root), 0);
    EXPECT_EQ(extended(MMUEXT_NEW_BASEPTR, root), 0); // the same again is a flush
    EXPECT_EQ(make_writable(page(12)), 0);
    EXPECT_EQ(extended(MMUEXT_NEW_BASEPTR, frame_of(page(14))), -22); // writable elsewhere
    EXPECT_EQ(extended(MMUEXT_NEW_BASEPTR, 0), -22);
    EXPECT_EQ(extended(MMUEXT_NEW_BASEPTR, ~0ull), -22);
    EXPECT_EQ(extended(MMUEXT_NEW_USER_BASEPTR, ~0ull), -22);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    a_large_tree_pins_and_unpins();
    a_refused_tree_leaves_nothing();
    long_batches_keep_their_registers();
    forged_progress();
    nonsense_in_the_machine_to_phys_table();
    roots_change();
    finish();
}
