// SPDX-License-Identifier: MIT
// Rows of grants: the domain grants pages to itself.
#include <tests/bench/hypervisor/guest/bench.hpp>

namespace bench
{
namespace
{

constexpr unsigned kCopies = 16;
constexpr unsigned kFirstReference = 8;

void grant_pages()
{
    static std::uint64_t frames[1];
    abi::gnttab_setup_table setup{};
    setup.dom = DOMID_SELF;
    setup.nr_frames = 1;
    setup.frame_list.p = frames;
    BENCH_REQUIRE(call(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, guest::address(&setup), 1), 0);
    BENCH_REQUIRE(setup.status, GNTST_okay);
    auto* const table = reinterpret_cast<abi::grant_entry_v1*>(guest::page(40));
    BENCH_REQUIRE(guest::map(table, frames[0] << 12 | guest::kTable), 0);
    for (unsigned i = 0; i < kCopies; ++i)
    {
        table[kFirstReference + i].domid = 0;
        table[kFirstReference + i].frame = static_cast<std::uint32_t>(guest::frame_of(guest::page(i)));
        __atomic_store_n(&table[kFirstReference + i].flags, GTF_permit_access, __ATOMIC_SEQ_CST);
    }
}

void measure_copy()
{
    static abi::gnttab_copy copies[kCopies];
    for (unsigned i = 0; i < kCopies; ++i)
    {
        copies[i].source.u.ref = kFirstReference + i;
        copies[i].source.domid = DOMID_SELF;
        copies[i].dest.u.gmfn = guest::frame_of(guest::page(20 + i));
        copies[i].dest.domid = DOMID_SELF;
        copies[i].dest.offset = 128;
        copies[i].len = 64;
        copies[i].flags = GNTCOPY_source_gref;
    }
    guest::page(3)[0] = 0x1234;
    BENCH_REQUIRE(call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, guest::address(copies), kCopies), 0);
    BENCH_REQUIRE(copies[kCopies - 1].status, GNTST_okay);
    BENCH_REQUIRE(guest::page(23)[16], 0x1234);
    report("grant_copy",
           least([](unsigned) { call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, guest::address(copies), 1); }));
    auto const run = [](unsigned) {
        call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, guest::address(copies), kCopies);
    };
    report("grant_copy_16_pages", least(run), kCopies);
    for (unsigned i = 1; i < kCopies; ++i)
    {
        copies[i] = copies[0];
        copies[i].source.offset = copies[i].dest.offset = static_cast<std::uint16_t>(i * 64);
    }
    report("grant_copy_16", least(run), kCopies);
    BENCH_REQUIRE(copies[kCopies - 1].status, GNTST_okay);
}

void measure_map()
{
    std::uint64_t* const window = guest::page(41);
    abi::gnttab_map_grant_ref map{};
    map.host_addr = guest::address(window);
    map.flags = GNTMAP_host_map;
    map.ref = kFirstReference + 3;
    map.dom = 0;
    abi::gnttab_unmap_grant_ref unmap{};
    unmap.host_addr = map.host_addr;
    auto const map_it = [&](unsigned) {
        call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, guest::address(&map), 1);
    };
    auto const unmap_it = [&](unsigned) {
        unmap.handle = map.handle;
        call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, guest::address(&unmap), 1);
    };
    map_it(0);
    BENCH_REQUIRE(map.status, GNTST_okay);
    BENCH_REQUIRE(window[0], 0x1234);
    unmap_it(0);
    BENCH_REQUIRE(unmap.status, GNTST_okay);
    std::uint64_t best_map = ~0ull, best_unmap = ~0ull;
    for (unsigned round = 0; round < kRounds; ++round)
    {
        std::uint64_t const mapped = least([](unsigned) {}, map_it, 1);
        std::uint64_t const unmapped = least([](unsigned) {}, unmap_it, 1);
        best_map = mapped < best_map ? mapped : best_map;
        best_unmap = unmapped < best_unmap ? unmapped : best_unmap;
    }
    report("grant_map", best_map);
    report("grant_unmap", best_unmap);
}

} // namespace

void measure_grants()
{
    grant_pages();
    measure_copy();
    measure_map();
}

} // namespace bench
