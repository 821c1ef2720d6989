// SPDX-License-Identifier: MIT
// memory_op against its own arguments: bounds, limits, exact progress (gotchas 27, 41, 43).
#include <tests/guests/runtime/child.hpp>

using namespace guest;

namespace
{

std::uint64_t in_list[64], out_list[64];

abi::xen_memory_exchange exchange_of(unsigned in, unsigned out, unsigned out_order, unsigned bits)
{
    abi::xen_memory_exchange args{};
    args.in.extent_start.p = in_list;
    args.in.nr_extents = in;
    args.out.extent_start.p = out_list;
    args.out.nr_extents = out;
    args.out.extent_order = out_order;
    args.out.mem_flags = bits;
    args.in.domid = args.out.domid = DOMID_SELF;
    return args;
}

long exchange(abi::xen_memory_exchange& args)
{
    return call(__HYPERVISOR_memory_op, XENMEM_exchange, address(&args));
}

// As Linux does it: entries zapped without a flush, several attempts that fail, then one that works.
void exchanges_are_whole()
{
    for (unsigned i = 0; i < 8; ++i)
    {
        page(i)[0] = 0x5ec2e7;
        in_list[i] = frame_of(page(i));
        EXPECT_EQ(map(page(i), 0, 0), 0);
    }
    out_list[0] = address(page(0)) >> 12;
    abi::xen_memory_exchange args = exchange_of(8, 1, 3, 14); // below 16 KiB: there is nothing
    long const refused = exchange(args);
    EXPECT(refused < 0 && args.nr_exchanged == 0);
    args = exchange_of(8, 1, 3, 32);
    EXPECT_EQ(exchange(args), 0);
    EXPECT_EQ(args.nr_exchanged, 8);
    EXPECT(out_list[0] % 8 == 0 && out_list[0] >> 20 == 0);
    for (unsigned i = 0; i < 8; ++i)
    {
        EXPECT_EQ(map(page(i), (out_list[0] + i) << 12 | kTable), 0);
        EXPECT_EQ(page(i)[0], 0);
        auto const* const m2p = reinterpret_cast<std::uint64_t const*>(0xffff800000000000);
        EXPECT_EQ(m2p[out_list[0] + i], (address(page(0)) >> 12) + i);
        EXPECT(map(window(2), in_list[i] << 12 | kTable) != 0); // not ours any more
    }
    EXPECT_EQ(make_writable(window(2)), 0);
}

void exchanges_are_bounded()
{
    abi::xen_memory_exchange args = exchange_of(1, 1, 0, 0);
    args.nr_exchanged = 1ull << 61;
    EXPECT_EQ(exchange(args), -22); // XSA-212
    for (std::uint64_t count : {1ull << 61, 1ull << 63, ~0ull})
    {
        args = exchange_of(1, 1, 0, 0);
        args.in.nr_extents = args.out.nr_extents = count;
        EXPECT(exchange(args) < 0);
        EXPECT_EQ(args.nr_exchanged, 0);
    }
    args = exchange_of(3, 1, 1, 0); // uneven
    EXPECT_EQ(exchange(args), -22);
    args = exchange_of(1, 1, 0, 0);
    args.out.extent_order = 63;
    EXPECT_EQ(exchange(args), -1);
    in_list[0] = frame_of(page(10)); // mapped: cannot be stolen
    args = exchange_of(1, 1, 0, 0);
    EXPECT(exchange(args) < 0);
    EXPECT_EQ(args.nr_exchanged, 0);
    in_list[0] = in_list[1] = frame_of(page(11));
    EXPECT_EQ(map(page(11), 0), 0);
    args = exchange_of(2, 1, 1, 0); // the same frame twice
    EXPECT(exchange(args) < 0);
    EXPECT_EQ(make_writable(page(11)), 0); // and it is still ours
    in_list[0] = start_info->shared_info >> 12;
    args = exchange_of(1, 1, 0, 0);
    EXPECT(exchange(args) < 0);
    in_list[0] = 0xffffffffff;
    args = exchange_of(1, 1, 0, 0);
    EXPECT(exchange(args) < 0);
}

// In a child: a domain with little room.
void limits_give_short_counts()
{
    install_shared();
    install_traps();
    static std::uint64_t list[64];
    for (unsigned i = 0; i < 64; ++i)
        list[i] = 400 + i;
    abi::xen_memory_reservation args{};
    args.extent_start.p = list;
    args.nr_extents = 64;
    args.domid = DOMID_SELF;
    long const got = call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, address(&args));
    EXPECT(got > 0 && got < 64); // as many as fit, and no error
    std::uint16_t const self = DOMID_SELF;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_current_reservation, address(&self)),
              call(__HYPERVISOR_memory_op, XENMEM_maximum_reservation, address(&self)));
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, address(&args)), 0);
    args.nr_extents = static_cast<std::uint64_t>(got);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, address(&args)), got);
    args.nr_extents = 1;
    args.extent_order = 10;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, address(&args)), -1);
    args.extent_order = 9;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, address(&args)),
              0); // the tools fall back to single frames
    args.extent_order = 0;
    args.domid = 0;
    for (unsigned command : {XENMEM_populate_physmap, XENMEM_increase_reservation, XENMEM_decrease_reservation})
        EXPECT_EQ(call(__HYPERVISOR_memory_op, command, address(&args)),
                  -1); // the control domain's are not ours to change
    args.domid = DOMID_SELF;
    args.nr_extents = ~0ull;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, address(&args)), -22);
    args.extent_start.p = reinterpret_cast<abi::xen_pfn_t*>(0xffff840000000000);
    args.nr_extents = 4;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, address(&args)), 0);
    // Cache modes are for who drives devices (gotcha 27).
    for (std::uint64_t bit : {1ull << 3, 1ull << 4, 1ull << 7})
        EXPECT_EQ(map(page(0), frame_of(page(0)) << 12 | kTable | bit), -22);
    child_ends();
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    exchanges_are_whole();
    exchanges_are_bounded();
    expect_good_end(start_child(limits_give_short_counts));
    finish();
}
