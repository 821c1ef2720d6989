// SPDX-License-Identifier: MIT
// A domain that dies while others hold parts of it; suspended and resumed ones; what tools see of frames (gotchas 40, 44,
// 58, 60).
#include <tests/guests/runtime/child.hpp>

using namespace guest;

namespace
{

void waits_to_be_killed()
{
    install_shared();
    install_traps();
    mailbox.values[0] = 1;
    for (;;)
        call(__HYPERVISOR_sched_op, SCHEDOP_yield);
}

long pin_foreign(std::uint64_t frame, unsigned level, unsigned domain)
{
    abi::mmuext_op op{};
    op.cmd = MMUEXT_PIN_L1_TABLE + level - 1;
    op.arg1.mfn = frame;
    return call(__HYPERVISOR_mmuext_op, address(&op), 1, 0, domain);
}

std::uint64_t outstanding(Child const& child)
{
    abi::xen_domctl op{};
    return domctl(op, XEN_DOMCTL_getdomaininfo, child.id) == 0 && op.domain == child.id ? op.u.getdomaininfo.tot_pages
                                                                                        : 0;
}

void mapped_frames_keep_a_shell()
{
    std::uint64_t const before = free_pages();
    Child& child = start_child(waits_to_be_killed);
    EXPECT(wait_for([&] { return child.box->values[0] == 1; }));
    // The mailbox is mapped, and one more page, read-only.
    std::uint64_t const frame = child.frame_of(page(5));
    EXPECT_EQ(map_foreign(window(2), frame, child.id, kReadOnlyLeaf), 0);
    std::uint64_t const table = child.frame_of(reinterpret_cast<void*>(child.box)); // any frame of it
    EXPECT_EQ(simple_domctl(XEN_DOMCTL_destroydomain, child.id), 0);
    EXPECT_EQ(outstanding(child), 2);
    EXPECT((info_of(child).flags & XEN_DOMINF_dying) != 0);
    child.box->values[1] = 77; // still memory, still the same
    EXPECT_EQ(child.box->values[1], 77);
    // Nothing can be done to it any more. The page that is mapped read-only would make a table; the mailbox is written.
    EXPECT_EQ(pin_foreign(frame, 1, child.id), -22);
    EXPECT(pin_foreign(table, 1, child.id) < 0);
    EXPECT(map_foreign(window(3), child.frame_of(page(6)), child.id, kTable) != 0);
    EXPECT_EQ(make_writable(window(3)), 0);
    EXPECT_EQ(simple_domctl(XEN_DOMCTL_max_vcpus, child.id), -3);
    abi::xen_domctl op{};
    op.u.vcpucontext.ctxt.p = &scratch_context();
    EXPECT_EQ(domctl(op, XEN_DOMCTL_getvcpucontext, child.id), -3);
    op = {};
    op.u.settimeoffset.time_offset_seconds = 3;
    EXPECT_EQ(domctl(op, XEN_DOMCTL_settimeoffset, child.id), -3);
    EXPECT_EQ(simple_domctl(XEN_DOMCTL_destroydomain, child.id), 0); // once more is no harm
    op = {};
    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = 10;
    op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = -1;
    op.u.createdomain.grant_opts = 1;
    EXPECT_EQ(domctl(op, XEN_DOMCTL_createdomain, child.id), -17); // its id is not reused
    // The last mapping goes: so does the shell, and its end is announced once more.
    EXPECT_EQ(make_writable(window(2)), 0);
    EXPECT_EQ(outstanding(child), 1);
    unsigned const word = 0;
    __atomic_store_n(&shared().evtchn_pending[word], 0, __ATOMIC_SEQ_CST);
    EXPECT_EQ(make_writable(window(1)), 0);
    EXPECT(shared().evtchn_pending[word] != 0);
    EXPECT_EQ(outstanding(child), 0);
    EXPECT(free_pages() + 24 >= before);
    child.alive = false;
}

void suspends()
{
    install_shared();
    install_traps();
    abi::sched_shutdown args{SHUTDOWN_suspend};
    mailbox.values[0] = 1;
    long const result =
        call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, address(&args), 0x5a5a5); // rdx: start_info's frame
    mailbox.values[2] = static_cast<std::uint64_t>(result);
    mailbox.values[1] = 1;
    child_ends();
}

abi::vcpu_guest_context saved;

void resumes_where_it_was()
{
    Child& child = start_child(suspends);
    EXPECT_EQ(wait_for_end(child), SHUTDOWN_suspend);
    EXPECT_EQ(child.box->values[1], 0);
    abi::xen_domctl op{};
    op.u.vcpucontext.ctxt.p = &saved;
    EXPECT_EQ(domctl(op, XEN_DOMCTL_getvcpucontext, child.id), 0);
    EXPECT_EQ(saved.user_regs.rdx, 0x5a5a5);
    EXPECT((saved.flags & (VGCF_in_kernel | VGCF_online)) == (VGCF_in_kernel | VGCF_online));
    // User mode without a root for it would stop the host: refused.
    saved.flags &= ~static_cast<std::uint64_t>(VGCF_in_kernel);
    op.u.vcpucontext.ctxt.p = &saved;
    EXPECT_EQ(domctl(op, XEN_DOMCTL_setvcpucontext, child.id), -22);
    saved.flags |= VGCF_in_kernel;
    saved.user_regs.rax = 1; // "cancelled"
    op.u.vcpucontext.ctxt.p = &saved;
    EXPECT_EQ(domctl(op, XEN_DOMCTL_setvcpucontext, child.id), 0);
    EXPECT_EQ(simple_domctl(XEN_DOMCTL_resumedomain, child.id), 0);
    EXPECT(wait_for([&] { return child.box->values[1] == 1; }));
    EXPECT_EQ(child.box->values[2], 1);
    child.box->checks = 1;
    expect_good_end(child);
}

std::uint64_t type_of(Child const& child, std::uint64_t frame)
{
    static std::uint64_t list[1];
    list[0] = frame;
    abi::xen_domctl op{};
    op.u.getpageframeinfo3.num = 1;
    op.u.getpageframeinfo3.array.p = list;
    EXPECT_EQ(domctl(op, XEN_DOMCTL_getpageframeinfo3, child.id), 0);
    return list[0];
}

void frames_say_what_they_are()
{
    Child& child = start_child(ChildPlan{waits_to_be_killed, 1, false});
    abi::xen_domctl op{};
    op.u.vcpucontext.ctxt.p = &saved;
    EXPECT_EQ(domctl(op, XEN_DOMCTL_getvcpucontext, child.id), 0);
    std::uint64_t const root = saved.ctrlreg[3] >> 12;
    EXPECT_EQ(type_of(child, root), XEN_DOMCTL_PFINFO_L4TAB);
    EXPECT_EQ(pin_foreign(root, 4, child.id), 0);
    EXPECT_EQ(type_of(child, root), XEN_DOMCTL_PFINFO_L4TAB | XEN_DOMCTL_PFINFO_LPINTAB);
    EXPECT(map_foreign(window(2), root, child.id, kTable) != 0); // a table, even another's, is not written directly
    EXPECT_EQ(map_foreign(window(2), root, child.id, kReadOnlyLeaf), 0);
    EXPECT_EQ(make_writable(window(2)), 0);
    EXPECT_EQ(type_of(child, child.frame_of(page(1))), XEN_DOMCTL_PFINFO_NOTAB);
    EXPECT_EQ(type_of(child, info_of(child).shared_info_frame), XEN_DOMCTL_PFINFO_XTAB);
    EXPECT_EQ(type_of(child, frame_of(page(1))), XEN_DOMCTL_PFINFO_XTAB); // not its own
    EXPECT_EQ(type_of(child, 0xffffffffff), XEN_DOMCTL_PFINFO_XTAB);
    op = {};
    op.u.getpageframeinfo3.num = 1025;
    EXPECT_EQ(domctl(op, XEN_DOMCTL_getpageframeinfo3, child.id), -7);
    destroy(child);
    // The machine-to-phys table's own frames: for reading only.
    static std::uint64_t chunks[4];
    abi::xen_machphys_mfn_list list{};
    list.max_extents = 4;
    list.extent_start.p = chunks;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_machphys_mfn_list, address(&list)), 0);
    EXPECT(list.nr_extents >= 1 && chunks[0] % 512 == 0);
    EXPECT(map_foreign(window(2), chunks[0], 0x7ff2, kTable) != 0);
    EXPECT_EQ(map_foreign(window(2), chunks[0], 0x7ff2, kReadOnlyLeaf), 0);
    auto const* const m2p = reinterpret_cast<std::uint64_t const*>(0xffff800000000000);
    EXPECT_EQ(static_cast<std::uint64_t const*>(window(2))[300], m2p[300]);
    EXPECT_EQ(make_writable(window(2)), 0);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    mapped_frames_keep_a_shell();
    resumes_where_it_was();
    frames_say_what_they_are();
    finish();
}
