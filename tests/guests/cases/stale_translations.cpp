// SPDX-License-Identifier: MIT
// What a TLB still knows neither hurts the guest's own calls nor outlives a page's next use (gotchas 15, 37, 42).
#include <tests/guests/runtime/modes.hpp>

using namespace guest;

namespace
{

constexpr std::uint64_t kNone = 0; // UVMF_NONE

std::uint64_t leaf(void* object, std::uint64_t flags)
{
    return frame_of(object) << 12 | flags;
}

// Read-only to writable needs no flush; a copy to the page through the older translation is to be tried again.
void copies_survive_older_entries()
{
    for (unsigned round = 0; round < 8; ++round)
    {
        EXPECT_EQ(make_read_only(page(0)), 0);
        EXPECT(*const_cast<std::uint64_t volatile*>(page(0)) == 0); // into the TLB, read-only
        EXPECT_EQ(map(page(0), leaf(page(0), kTable), kNone), 0);
        EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_extraversion, address(page(0)) + 16), 0);
        EXPECT(reinterpret_cast<char*>(page(0))[16] != '\0');
        memset(page(0), 0, 4096);
    }
    EXPECT_EQ(make_read_only(page(0)), 0); // but a page that is read-only stays so
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_extraversion, address(page(0))), -14);
    EXPECT_EQ(make_writable(page(0)), 0);
}

bool reads(std::uint64_t const* object, std::uint64_t& value)
{
    unsigned const before = trap_count;
    std::uint64_t next, got = 0;
    asm volatile("lea 9f(%%rip), %0" : "=r"(next));
    resume_at = next;
    asm volatile("mov (%1), %0\n9:" : "+r"(got) : "r"(object) : "memory");
    resume_at = 0;
    value = got;
    return trap_count == before;
}

bool writes(std::uint64_t* object, std::uint64_t value)
{
    unsigned const before = trap_count;
    std::uint64_t next;
    asm volatile("lea 9f(%%rip), %0" : "=r"(next));
    resume_at = next;
    asm volatile("mov %1, (%0)\n9:" : : "r"(object), "r"(value) : "memory");
    resume_at = 0;
    return trap_count == before;
}

// A page becomes a table although a translation to it, writable, is still cached: nobody asked for a flush.
void tables_are_out_of_reach_at_once()
{
    page(1)[7] = 1;
    page(1)[7] = 0; // dirty, in the TLB
    EXPECT_EQ(map(page(1), leaf(page(1), kReadOnlyLeaf), kNone), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(1))), 0);
    EXPECT(!writes(&page(1)[7], leaf(page(2), kTable)));
    EXPECT_EQ(page(1)[7], 0);
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(page(1))), 0);
    EXPECT_EQ(make_writable(page(1)), 0);
    // The same for descriptor pages.
    page(2)[8] = 0;
    EXPECT_EQ(map(page(2), leaf(page(2), kReadOnlyLeaf), kNone), 0);
    std::uint64_t const frame = frame_of(page(2));
    EXPECT_EQ(call(__HYPERVISOR_set_gdt, address(&frame), 512), 0);
    EXPECT(!writes(&page(2)[8], 0x0000890000000067));
    EXPECT_EQ(call(__HYPERVISOR_set_gdt, 0, 0), 0);
    EXPECT_EQ(make_writable(page(2)), 0);
}

// Linux's balloon zaps the entry and hands the page back without a flush.
void given_away_pages_are_out_of_reach()
{
    static std::uint64_t list[1];
    page(3)[0] = 0x5ec2e7;
    std::uint64_t const frame = frame_of(page(3));
    abi::xen_memory_reservation args{};
    list[0] = frame;
    args.extent_start.p = list;
    args.nr_extents = 1;
    args.domid = DOMID_SELF;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, address(&args)), 0); // mapped: not now
    EXPECT_EQ(map(page(3), 0, kNone), 0);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, address(&args)), 1);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, address(&args)), 0); // not ours any more
    // Whoever gets a page now must not share it with us. It may well be the same one.
    list[0] = address(page(3)) >> 12;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, address(&args)), 1);
    std::uint64_t value = 0;
    EXPECT(!reads(page(3), value));
    EXPECT_EQ(map(page(3), list[0] << 12 | kTable), 0);
    EXPECT_EQ(page(3)[0], 0); // scrubbed
    EXPECT(map(page(4), frame << 12 | kTable) == (list[0] == frame ? 0 : -16));
    EXPECT_EQ(make_writable(page(4)), 0);
}

// Inside one multicall: a new L1 behind an address, then an update of that address. It must reach the new one (XSA-286).
void updates_go_to_the_tables_of_now()
{
    constexpr std::uint64_t kFar = 0x6000000000; // L4 slot 0, L3 slot 384
    for (unsigned i = 8; i <= 11; ++i)
        EXPECT_EQ(make_read_only(page(i)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(8))), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(9))), 0);
    EXPECT_EQ(mmu_update(frame_of(page(10)) << 12, leaf(page(8), kTable)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L2_TABLE, frame_of(page(10))), 0);
    EXPECT_EQ(mmu_update(frame_of(page(11)) << 12 | 384 * 8, leaf(page(10), kTable)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L3_TABLE, frame_of(page(11))), 0);
    std::uint64_t const root = frame_of(reinterpret_cast<void*>(start_info->pt_base)) << 12;
    EXPECT_EQ(mmu_update(root | 8 * 5, leaf(page(11), kTable)), 0); // slot 5
    std::uint64_t const where = kFar + (5ull << 39);
    EXPECT_EQ(call(__HYPERVISOR_update_va_mapping, where, leaf(page(12), kTable), UVMF_INVLPG), 0);
    EXPECT_EQ(page(8)[0] & 0x000ffffffffff000, frame_of(page(12)) << 12);
    page(12)[0] = 1;
    EXPECT_EQ(*reinterpret_cast<std::uint64_t volatile*>(where), 1); // every level is cached now
    static abi::mmu_update request;
    static abi::multicall_entry list[2];
    request.ptr = frame_of(page(10)) << 12;
    request.val = leaf(page(9), kTable);
    list[0].op = __HYPERVISOR_mmu_update;
    list[0].args[0] = address(&request);
    list[0].args[1] = 1;
    list[0].args[3] = DOMID_SELF;
    list[1].op = __HYPERVISOR_update_va_mapping;
    list[1].args[0] = where;
    list[1].args[1] = leaf(page(13), kTable);
    EXPECT_EQ(call(__HYPERVISOR_multicall, address(list), 2), 0);
    EXPECT(list[0].result == 0 && list[1].result == 0);
    EXPECT_EQ(page(8)[0] & 0x000ffffffffff000, frame_of(page(12)) << 12); // the old table is as it was
    EXPECT_EQ(page(9)[0] & 0x000ffffffffff000, frame_of(page(13)) << 12);
    EXPECT_EQ(mmu_update(root | 8 * 5, 0), 0);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    copies_survive_older_entries();
    tables_are_out_of_reach_at_once();
    given_away_pages_are_out_of_reach();
    updates_go_to_the_tables_of_now();
    finish();
}
