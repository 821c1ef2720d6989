// SPDX-License-Identifier: MIT
// Grants: from a domain to itself, and between two domains, one of which lies (gotchas 50-53).
#include <tests/guests/runtime/child.hpp>

using namespace guest;

namespace
{

long grant(unsigned command, void* args, unsigned count = 1)
{
    return call(__HYPERVISOR_grant_table_op, command, address(args), count);
}

abi::grant_entry_v1 volatile* table() // our first grant frame, in window 4
{
    return static_cast<abi::grant_entry_v1 volatile*>(window(4));
}

void install_table()
{
    static std::uint64_t frames[1];
    abi::gnttab_setup_table args{};
    args.dom = DOMID_SELF;
    args.nr_frames = 1;
    args.frame_list.p = frames;
    EXPECT_EQ(grant(GNTTABOP_setup_table, &args), 0);
    EXPECT_EQ(args.status, GNTST_okay);
    EXPECT_EQ(map(window(4), frames[0] << 12 | kTable), 0);
}

void permit(unsigned ref, void const* object, unsigned domain, unsigned flags = 0)
{
    table()[ref].domid = static_cast<std::uint16_t>(domain);
    table()[ref].frame = static_cast<std::uint32_t>(frame_of(object));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    table()[ref].flags = static_cast<std::uint16_t>(GTF_permit_access | flags);
}

abi::gnttab_map_grant_ref map_ref(unsigned domain, unsigned ref, std::uint64_t where, unsigned flags = GNTMAP_host_map)
{
    abi::gnttab_map_grant_ref args{};
    args.host_addr = where;
    args.flags = flags;
    args.ref = ref;
    args.dom = static_cast<std::uint16_t>(domain);
    EXPECT_EQ(grant(GNTTABOP_map_grant_ref, &args), 0);
    return args;
}

int unmap_ref(std::uint32_t handle, std::uint64_t where, std::uint64_t bus = 0)
{
    abi::gnttab_unmap_grant_ref args{};
    args.handle = handle;
    args.host_addr = where;
    args.dev_bus_addr = bus;
    EXPECT_EQ(grant(GNTTABOP_unmap_grant_ref, &args), 0);
    return args.status;
}

void to_ourselves()
{
    permit(10, page(1), 0);
    auto const mapped = map_ref(0, 10, address(page(2)));
    EXPECT_EQ(mapped.status, GNTST_okay);
    EXPECT_EQ(mapped.dev_bus_addr, frame_of(page(1)) << 12);
    page(2)[3] = 33;
    EXPECT_EQ(page(1)[3], 33);
    EXPECT((table()[10].flags & (GTF_reading | GTF_writing)) == (GTF_reading | GTF_writing));
    EXPECT(make_read_only(page(1)) == 0 &&
           extended(MMUEXT_PIN_L1_TABLE, frame_of(page(1))) == -22); // written through the grant
    EXPECT_EQ(unmap_ref(mapped.handle + 1, address(page(2))), GNTST_bad_handle);
    EXPECT_EQ(unmap_ref(0xffffffff, address(page(2))), GNTST_bad_handle);
    EXPECT_EQ(unmap_ref(mapped.handle, address(page(3))), GNTST_general_error);
    EXPECT_EQ(unmap_ref(mapped.handle, address(page(2))), GNTST_okay);
    EXPECT_EQ(unmap_ref(mapped.handle, address(page(2))), GNTST_bad_handle);
    EXPECT_EQ(table()[10].flags, GTF_permit_access);
    EXPECT(TRAPS(14, "call second_page; mov (%%rax), %%rax"));
    EXPECT_EQ(make_writable(page(2)), 0);
    EXPECT_EQ(make_writable(page(1)), 0);
}

// The L1 of an address is linked at a second one too. Both translations have to go with the unmap.
void no_translation_survives()
{
    std::uint64_t* const l1 = entry_of(page(2)) - (address(page(2)) >> 12 & 511);
    // Our image's L1 also serves slot 3 of its L2: addresses 6 MiB further up.
    std::uint64_t const alias = address(page(2)) % (2 << 20) + (3ull * 512 << 12);
    auto const* const root = reinterpret_cast<std::uint64_t const*>(start_info->pt_base);
    auto const* const m2p = reinterpret_cast<std::uint64_t const*>(0xffff800000000000);
    auto const* const l3 = reinterpret_cast<std::uint64_t const*>(m2p[root[0] >> 12 & 0xffffffffff] << 12);
    std::uint64_t const l2 = l3[0] & 0x000ffffffffff000;
    EXPECT_EQ(mmu_update(l2 | 3 * 8, frame_of(l1) << 12 | kTable), 0);
    unsigned const self = static_cast<unsigned>(mailbox.values[5]);
    permit(11, page(1), self);
    auto const mapped = map_ref(self, 11, address(page(2)));
    EXPECT_EQ(mapped.status, GNTST_okay);
    auto* const through = reinterpret_cast<std::uint64_t volatile*>(alias);
    through[0] = 0x11; // writable, in the TLB under the other address
    EXPECT_EQ(page(1)[0], 0x11);
    EXPECT_EQ(unmap_ref(mapped.handle, address(page(2))), GNTST_okay);
    unsigned const before = trap_count;
    std::uint64_t next;
    asm volatile("lea 9f(%%rip), %0" : "=r"(next));
    resume_at = next;
    asm volatile("movq $0x22, (%0)\n9:" : : "r"(alias) : "memory");
    resume_at = 0;
    // The control domain may map anything, so for it one address is flushed; others lose all.
    if (mailbox.in_child != 0)
    {
        EXPECT_EQ(trap_count, before + 1);
        EXPECT_EQ(page(1)[0], 0x11);
    }
    EXPECT_EQ(mmu_update(l2 | 3 * 8, 0), 0);
    EXPECT_EQ(make_writable(page(2)), 0);
}

void by_entry_address()
{
    permit(12, page(1), 0);
    std::uint64_t const entry = entry_address(page(4));
    EXPECT_EQ(map_ref(0, 12, entry + 4, GNTMAP_host_map | GNTMAP_contains_pte).status, GNTST_general_error); // XSA-227
    EXPECT_EQ(map_ref(0, 12, frame_of(page(5)) << 12, GNTMAP_host_map | GNTMAP_contains_pte).status,
              GNTST_general_error); // no table
    EXPECT_EQ(map_ref(0, 12, ~0ull & ~7ull, GNTMAP_host_map | GNTMAP_contains_pte).status, GNTST_general_error);
    auto const mapped =
        map_ref(0, 12, entry, GNTMAP_host_map | GNTMAP_contains_pte | GNTMAP_application_map | GNTMAP_readonly);
    EXPECT_EQ(mapped.status, GNTST_okay);
    EXPECT_EQ(*entry_of(page(4)) & 0x000ffffffffff000, frame_of(page(1)) << 12);
    EXPECT((*entry_of(page(4)) & kWritable) == 0);
    EXPECT_EQ(unmap_ref(mapped.handle, entry), GNTST_okay);
    EXPECT_EQ(make_writable(page(4)), 0);
}

void refused_uses()
{
    permit(13, page(1), 0, GTF_readonly);
    EXPECT_EQ(map_ref(0, 13, address(page(2))).status, GNTST_general_error);
    EXPECT_EQ(map_ref(0, 100000, address(page(2))).status, GNTST_bad_gntref);
    EXPECT_EQ(map_ref(0, 14, address(page(2))).status, GNTST_general_error); // nothing granted
    EXPECT_EQ(map_ref(1234, 13, address(page(2))).status, GNTST_bad_domain);
    EXPECT_EQ(map_ref(0, 13, address(page(2)), GNTMAP_readonly).status, GNTST_general_error); // no use asked for
    EXPECT_EQ(map_ref(0, 13, 0xffff840000000000, GNTMAP_host_map | GNTMAP_readonly).status, GNTST_general_error);
    EXPECT_EQ(map_ref(0, 13, 0x7000000000, GNTMAP_host_map | GNTMAP_readonly).status, GNTST_general_error);
    permit(15, page(1), 0);
    table()[15].frame = 0xffffffff;
    EXPECT_EQ(map_ref(0, 15, address(page(2))).status, GNTST_bad_page);
    EXPECT_EQ(table()[15].flags, GTF_permit_access);
    permit(16, reinterpret_cast<void*>(start_info->pt_base), 0); // a page table: only to be read
    EXPECT_EQ(map_ref(0, 16, address(page(2))).status, GNTST_bad_page);
    EXPECT_EQ(grant(GNTTABOP_map_grant_ref, reinterpret_cast<void*>(0xffff840000000000)), -14);
    EXPECT_EQ(grant(99, page(0)), -38);
    EXPECT_EQ(grant(GNTTABOP_setup_table, page(0), 2), -22);
    EXPECT_EQ(grant(GNTTABOP_copy, page(0), 0x80000000), -22);
}

void copies()
{
    permit(17, page(1), 0);
    page(1)[0] = 0x1234;
    abi::gnttab_copy args{};
    args.source.u.ref = 17;
    args.source.domid = 0;
    args.dest.u.gmfn = frame_of(page(6));
    args.dest.domid = DOMID_SELF;
    args.len = 8;
    args.flags = GNTCOPY_source_gref;
    EXPECT_EQ(grant(GNTTABOP_copy, &args), 0);
    EXPECT(args.status == GNTST_okay && page(6)[0] == 0x1234);
    args.dest.offset = 4092;
    EXPECT_EQ(grant(GNTTABOP_copy, &args), 0);
    EXPECT_EQ(args.status, GNTST_bad_copy_arg);
    args.dest.offset = 0;
    args.dest.u.gmfn = frame_of(reinterpret_cast<void*>(start_info->pt_base));
    EXPECT_EQ(grant(GNTTABOP_copy, &args), 0);
    EXPECT_EQ(args.status, GNTST_bad_page); // a page table is no destination
    args.dest.u.gmfn = 0xffffffffff;
    EXPECT_EQ(grant(GNTTABOP_copy, &args), 0);
    EXPECT_EQ(args.status, GNTST_bad_page);
    args.dest.u.gmfn = frame_of(page(6));
    args.dest.domid = 55;
    EXPECT_EQ(grant(GNTTABOP_copy, &args), 0);
    EXPECT(args.status < 0);
}

// While a grant of ours is in use, what we write into its entry changes nothing (XSA-226), and the layout stays (XSA-255).
void entries_are_read_once()
{
    permit(18, page(1), 0);
    auto const first = map_ref(0, 18, address(page(2)));
    EXPECT_EQ(first.status, GNTST_okay);
    table()[18].frame = static_cast<std::uint32_t>(frame_of(reinterpret_cast<void*>(start_info->pt_base)));
    auto const second = map_ref(0, 18, address(page(3)));
    EXPECT(second.status == GNTST_okay && second.dev_bus_addr == frame_of(page(1)) << 12);
    abi::gnttab_set_version version{2};
    EXPECT_EQ(grant(GNTTABOP_set_version, &version), -16);
    EXPECT_EQ(version.version, 1);
    table()[18].flags = 0; // revoked, as it thinks
    EXPECT_EQ(unmap_ref(first.handle, address(page(2))), GNTST_okay);
    EXPECT_EQ(unmap_ref(second.handle, address(page(3))), GNTST_okay);
    version.version = 3;
    EXPECT_EQ(grant(GNTTABOP_set_version, &version), -22);
    version.version = 2;
    EXPECT_EQ(grant(GNTTABOP_set_version, &version), 0);
    static std::uint64_t frames[1];
    abi::gnttab_get_status_frames status{};
    status.dom = DOMID_SELF;
    status.nr_frames = 1;
    status.frame_list.p = frames;
    EXPECT_EQ(grant(GNTTABOP_get_status_frames, &status), 0);
    EXPECT_EQ(status.status, GNTST_okay);
    EXPECT_EQ(map(window(5), frames[0] << 12 | kTable), 0);
    version.version = 1;
    EXPECT_EQ(grant(GNTTABOP_set_version, &version), -16); // the status frame is mapped
    EXPECT_EQ(make_writable(window(5)), 0);
    version.version = 1;
    EXPECT_EQ(grant(GNTTABOP_set_version, &version), 0);
    for (unsigned i = 0; i < 16; ++i)
        EXPECT_EQ(make_writable(page(i)), 0);
}

// ---- two domains
constexpr unsigned kRef = 40;

void grants_and_lies()
{
    install_shared();
    install_traps();
    install_table();
    no_translation_survives();
    for (unsigned i = 0; i < 4; ++i)
        permit(kRef + i, page(i), 0, i == 1 ? GTF_readonly : 0);
    table()[kRef + 3].frame = static_cast<std::uint32_t>(start_info->shared_info >> 12); // its own, but special
    page(0)[0] = 0xabc;
    mailbox.values[0] = 1;
    // What the parent has granted us, we can have; what it has not, we cannot.
    auto const mapped = map_ref(0, 50, address(page(10)));
    EXPECT_EQ(mapped.status, GNTST_okay);
    page(10)[0] = 0xdef;
    EXPECT_EQ(map_ref(0, 51, address(page(11))).status, GNTST_general_error);
    EXPECT(map_foreign(page(12), frame_of(page(12)), 0, kTable) == -1);
    while (mailbox.values[1] == 0)
    {
        // Keeps changing entries that the parent maps and copies: never to its advantage.
        table()[kRef + 2].frame = static_cast<std::uint32_t>(frame_of(page(2)));
        table()[kRef + 2].frame = 0x3000;
        table()[kRef + 2].flags = 0;
        table()[kRef + 2].flags = GTF_permit_access;
    }
    EXPECT_EQ(page(0)[1], 0x123);
    table()[kRef].flags = 0;
    EXPECT_EQ(make_read_only(page(0)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(0))), -22); // revoked, and yet the parent may write: no table
    EXPECT_EQ(make_writable(page(0)), 0);
    shut_down(SHUTDOWN_poweroff);
}

void between_domains()
{
    permit(50, page(7), 1); // patched below to the child's id
    Child& child = start_child(ChildPlan{grants_and_lies, 1, false});
    permit(50, page(7), child.id);
    permit(51, page(8), child.id + 1u);
    child.box->values[5] = child.id;
    EXPECT_EQ(simple_domctl(XEN_DOMCTL_unpausedomain, child.id), 0);
    EXPECT(wait_for([&] { return child.box->values[0] == 1; }));
    auto const mapped = map_ref(child.id, kRef, address(page(2)));
    EXPECT_EQ(mapped.status, GNTST_okay);
    EXPECT_EQ(page(2)[0], 0xabc);
    page(2)[1] = 0x123;
    EXPECT_EQ(map_ref(child.id, kRef + 1, address(page(3))).status, GNTST_general_error);
    auto const read_only = map_ref(child.id, kRef + 1, address(page(3)), GNTMAP_host_map | GNTMAP_readonly);
    EXPECT_EQ(read_only.status, GNTST_okay);
    for (unsigned round = 0; round < 50; ++round)
    {
        auto const raced = map_ref(child.id, kRef + 2, address(page(4)));
        if (raced.status == GNTST_okay)
        {
            EXPECT(raced.dev_bus_addr >> 12 != 0x3000);
            EXPECT_EQ(unmap_ref(raced.handle, address(page(4))), GNTST_okay);
        }
        sleep_until(now() + 100'000);
    }
    child.box->values[1] = 1;
    EXPECT_EQ(wait_for_end(child), SHUTDOWN_poweroff);
    EXPECT_EQ(page(7)[0], 0xdef);
    mailbox.checks += child.box->checks;
    for (unsigned i = 0; i < child.box->failures && i < Mailbox::kReports; ++i)
        check(false, child.box->failed[i].what, child.box->failed[i].got, child.box->failed[i].line);
    // It dies while we have its pages mapped: they stay what they were until we let go.
    EXPECT_EQ(make_writable(window(1)), 0);
    EXPECT_EQ(simple_domctl(XEN_DOMCTL_destroydomain, child.id), 0);
    EXPECT_EQ(page(2)[1], 0x123);
    EXPECT_EQ(map_ref(child.id, kRef, address(page(5))).status, GNTST_bad_domain);
    EXPECT_EQ(make_writable(page(5)), 0);
    EXPECT_EQ(unmap_ref(mapped.handle, address(page(2))), GNTST_okay);
    EXPECT_EQ(unmap_ref(read_only.handle, address(page(3))), GNTST_okay);
    abi::xen_domctl op{};
    EXPECT(domctl(op, XEN_DOMCTL_getdomaininfo, child.id) == -3 || op.domain != child.id);
    EXPECT_EQ(table()[50].flags, GTF_permit_access); // and it has let go of ours
    child.alive = false;
}

} // namespace

extern "C" std::uint64_t* second_page()
{
    return page(2);
}

void run()
{
    install_shared();
    install_traps();
    install_table();
    to_ourselves();
    no_translation_survives();
    by_entry_address();
    refused_uses();
    copies();
    between_domains();
    entries_are_read_once();
    finish();
}
