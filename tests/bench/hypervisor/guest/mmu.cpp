// SPDX-License-Identifier: MIT
// Rows of page tables.
#include <tests/bench/hypervisor/guest/bench.hpp>

namespace bench
{
namespace
{

using guest::kReadOnlyLeaf;
using guest::kTable;

constexpr unsigned kBatch = 128;

// Entries of one page, as often as a batch wants, each a change between writable and read-only of that page.
abi::mmu_update batch[kBatch];

long map(void const* where, std::uint64_t entry, unsigned long flags)
{
    return call(__HYPERVISOR_update_va_mapping, guest::address(static_cast<char const*>(where)), entry, flags);
}

void measure_single()
{
    void const* const page = guest::page(0);
    std::uint64_t const base = guest::frame_of(page) << 12;
    BENCH_REQUIRE(map(page, base | kReadOnlyLeaf, UVMF_INVLPG), 0);
    BENCH_REQUIRE(map(page, base | kTable, UVMF_INVLPG), 0);
    auto const toggled = [&](unsigned round) { return base | ((round & 1) != 0 ? kTable : kReadOnlyLeaf); };
    report("update_va_toggle", least([&](unsigned round) { map(page, toggled(round), UVMF_NONE); }));
    report("update_va_toggle_invlpg", least([&](unsigned round) { map(page, toggled(round), UVMF_INVLPG); }));
    BENCH_REQUIRE(map(page, base | kTable, UVMF_INVLPG), 0);
    report("update_va_map_unmap", least([&](unsigned) {
               map(page, 0, UVMF_NONE);
               map(page, base | kTable, UVMF_NONE);
           }),
           2);
}

void measure_batches()
{
    constexpr unsigned kSizes[] = {1, 8, 128};
    constexpr char const* kKeys[] = {"mmu_update_1", "mmu_update_8", "mmu_update_128"};
    for (unsigned size = 0; size < 3; ++size)
    {
        unsigned const count = kSizes[size];
        auto const prepare = [&](unsigned round) {
            for (unsigned i = 0; i < count; ++i)
            {
                void const* const page = guest::page(i % 32);
                batch[i].ptr = guest::entry_address(page);
                batch[i].val = guest::frame_of(page) << 12 | ((round + i / 32) % 2 != 0 ? kTable : kReadOnlyLeaf);
            }
        };
        prepare(1);
        BENCH_REQUIRE(call(__HYPERVISOR_mmu_update, guest::address(batch), count, 0, DOMID_SELF), 0);
        report(kKeys[size],
               least(prepare,
                     [&](unsigned) { call(__HYPERVISOR_mmu_update, guest::address(batch), count, 0, DOMID_SELF); }),
               count);
    }
    for (unsigned i = 0; i < 32; ++i)
        BENCH_REQUIRE(guest::make_writable(guest::page(i)), 0);
}

void measure_extended()
{
    abi::mmuext_op op{};
    auto const run = [&](unsigned) { call(__HYPERVISOR_mmuext_op, guest::address(&op), 1, 0, DOMID_SELF); };
    op.cmd = MMUEXT_NEW_BASEPTR;
    op.arg1.mfn = guest::frame_of(reinterpret_cast<void const*>(guest::start_info->pt_base));
    BENCH_REQUIRE(call(__HYPERVISOR_mmuext_op, guest::address(&op), 1, 0, DOMID_SELF), 0);
    report("new_baseptr", least(run));
    op.cmd = MMUEXT_TLB_FLUSH_LOCAL;
    report("tlb_flush_local", least(run));
    op.cmd = MMUEXT_INVLPG_LOCAL;
    op.arg1.linear_addr = guest::address(guest::page(0));
    report("invlpg_local", least(run));
}

void measure_pinning()
{
    std::uint64_t* const table = guest::page(0);
    for (unsigned i = 0; i < 62; ++i)
        table[i] = guest::frame_of(guest::page(1 + i)) << 12 | kTable;
    BENCH_REQUIRE(guest::make_read_only(table), 0);
    abi::mmuext_op ops[2]{};
    ops[0].cmd = MMUEXT_PIN_L1_TABLE;
    ops[0].arg1.mfn = guest::frame_of(table);
    ops[1].cmd = MMUEXT_UNPIN_TABLE;
    ops[1].arg1.mfn = guest::frame_of(table);
    BENCH_REQUIRE(call(__HYPERVISOR_mmuext_op, guest::address(ops), 2, 0, DOMID_SELF), 0);
    report("pin_unpin_62",
           least([&](unsigned) { call(__HYPERVISOR_mmuext_op, guest::address(ops), 2, 0, DOMID_SELF); }));
    BENCH_REQUIRE(guest::make_writable(table), 0);
}

} // namespace

void measure_mmu()
{
    // The page at index 10 is a root of ours since measure_user_mode(): take it back first.
    BENCH_REQUIRE(guest::extended(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    BENCH_REQUIRE(guest::extended(MMUEXT_UNPIN_TABLE, guest::frame_of(guest::page(10))), 0);
    BENCH_REQUIRE(guest::make_writable(guest::page(10)), 0);
    measure_single();
    measure_batches();
    measure_extended();
    measure_pinning();
}

} // namespace bench
