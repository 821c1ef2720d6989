// SPDX-License-Identifier: MIT
// Building, watching and ending child domains.
#include <tests/guests/runtime/child.hpp>

extern "C"
{
    extern char image_end[];
    extern char stack_top[];
    void child_start();
}

namespace guest
{
namespace
{

constexpr unsigned kFirstPfn = 0x100; // the image starts at 1 MiB

// Pages of the image that only mean something in a child: filled here, copied with all the rest.
alignas(4096) std::uint64_t child_tables[4][512]; // L4, L3, L2, L1
alignas(4096) std::uint64_t child_p2m[512];
alignas(4096) abi::start_info child_info;
alignas(4096) char log_text[4096];

Child child;
std::uint32_t log_index = 0;
std::uint64_t free_before = 0;
std::uint32_t death_port = 0;

unsigned image_pages()
{
    return static_cast<unsigned>((address(image_end) + 4095) / 4096) - kFirstPfn;
}

bool create(ChildPlan const& plan)
{
    abi::xen_domctl op{};
    op.u.createdomain.max_vcpus = plan.vcpus;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = -1;
    op.u.createdomain.grant_opts = 2;
    if (domctl(op, XEN_DOMCTL_createdomain, 0) != 0)
        return false;
    child.id = op.domain;
    child.alive = true;
    op = {};
    op.u.max_vcpus.max = plan.vcpus;
    if (domctl(op, XEN_DOMCTL_max_vcpus, child.id) != 0)
        return false;
    op = {};
    op.u.max_mem.max_memkb = (image_pages() + 16) * 4; // a little room for populate_physmap
    return domctl(op, XEN_DOMCTL_max_mem, child.id) == 0;
}

bool populate()
{
    static std::uint64_t list[512];
    unsigned const count = image_pages();
    for (unsigned i = 0; i < count; ++i)
        list[i] = kFirstPfn + i;
    abi::xen_memory_reservation args{};
    args.extent_start.p = list;
    args.nr_extents = count;
    args.domid = child.id;
    if (call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, address(&args)) != count)
        return false;
    for (unsigned i = 0; i < 512; ++i)
        child.frames[i] = i >= kFirstPfn && i < kFirstPfn + count ? list[i - kFirstPfn] : 0;
    return true;
}

void fill_tables()
{
    for (auto& table : child_tables)
        memset(table, 0, sizeof(table));
    for (unsigned level = 0; level < 3; ++level)
        child_tables[level][0] = child.frame_of(child_tables[level + 1]) << 12 | kTable;
    for (unsigned pfn = 0; pfn < 512; ++pfn)
    {
        child_p2m[pfn] = child.frames[pfn];
        bool const table = pfn >= address(child_tables[0]) >> 12 && pfn <= address(child_tables[3]) >> 12;
        if (child.frames[pfn] != 0)
            child_tables[3][pfn] = child.frames[pfn] << 12 | (table ? kReadOnlyLeaf : kTable);
    }
}

// Every page of our image goes into the child's frame of the same number.
bool copy_image()
{
    void* const through = window(0);
    for (unsigned pfn = kFirstPfn; pfn < kFirstPfn + image_pages(); ++pfn)
    {
        if (map_foreign(through, child.frames[pfn], child.id, kTable) != 0)
            return false;
        auto const* from = reinterpret_cast<unsigned char const*>(static_cast<std::uint64_t>(pfn) << 12);
        if (from != static_cast<unsigned char*>(through) && from != static_cast<unsigned char*>(window(1)))
            memcpy(through, from, 4096);
    }
    return true;
}

// The image with what differs in the child: where its tables are, who it is, an empty mailbox.
bool fill_memory()
{
    fill_tables();
    memset(&child_info, 0, sizeof(child_info));
    child_info.nr_pages = kFirstPfn + image_pages();
    child_info.shared_info = info_of(child).shared_info_frame << 12;
    child_info.pt_base = address(child_tables[0]);
    child_info.nr_pt_frames = 4;
    child_info.mfn_list = address(child_p2m);
    static Mailbox kept;
    memcpy(&kept, &mailbox, sizeof(kept));
    abi::start_info* const own = start_info;
    start_info = &child_info;
    memset(&mailbox, 0, sizeof(mailbox));
    mailbox.in_child = 1;
    bool const copied = copy_image();
    start_info = own;
    memcpy(&mailbox, &kept, sizeof(kept));
    EXPECT_EQ(make_writable(window(0)), 0);
    return copied && map_foreign(window(1), child.frame_of(&mailbox), child.id, kTable) == 0;
}

bool set_context(ChildPlan const& plan)
{
    auto& context = scratch_context();
    memset(context.trap_ctxt, 0, sizeof(context.trap_ctxt));
    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = reinterpret_cast<std::uint64_t>(&child_start);
    context.user_regs.rdi = reinterpret_cast<std::uint64_t>(plan.entry);
    context.user_regs.rsp = context.kernel_sp = address(stack_top);
    context.ctrlreg[3] = child.frame_of(child_tables[0]) << 12;
    abi::xen_domctl op{};
    op.u.vcpucontext.vcpu = 0;
    op.u.vcpucontext.ctxt.p = &context;
    return domctl(op, XEN_DOMCTL_setvcpucontext, child.id) == 0;
}

void skip_log()
{
    abi::xen_sysctl op{};
    op.u.readconsole.incremental = 1;
    op.u.readconsole.index = log_index;
    do
    {
        op.u.readconsole.buffer.p = log_text;
        op.u.readconsole.count = sizeof(log_text);
        if (sysctl(op, XEN_SYSCTL_readconsole) != 0)
            return;
    } while (op.u.readconsole.count == sizeof(log_text));
    log_index = op.u.readconsole.index;
}

bool contains(char const* text, unsigned long length, char const* wanted)
{
    for (unsigned long at = 0; at < length; ++at)
    {
        unsigned long i = 0;
        while (wanted[i] != '\0' && at + i < length && text[at + i] == wanted[i])
            ++i;
        if (wanted[i] == '\0')
            return true;
    }
    return false;
}

void bind_death()
{
    if (death_port != 0)
        return;
    abi::evtchn_bind_virq bind{};
    bind.virq = VIRQ_DOM_EXC;
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, address(&bind)), 0);
    death_port = bind.port;
}

} // namespace

long domctl(abi::xen_domctl& op, std::uint32_t command, unsigned domain)
{
    op.cmd = command;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = static_cast<std::uint16_t>(domain);
    return call(__HYPERVISOR_domctl, address(&op));
}

long simple_domctl(std::uint32_t command, unsigned domain)
{
    abi::xen_domctl op{};
    return domctl(op, command, domain);
}

long sysctl(abi::xen_sysctl& op, std::uint32_t command)
{
    op.cmd = command;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return call(__HYPERVISOR_sysctl, address(&op));
}

std::uint64_t free_pages()
{
    abi::xen_sysctl op{};
    EXPECT_EQ(sysctl(op, XEN_SYSCTL_physinfo), 0);
    return op.u.physinfo.free_pages;
}

Child& start_child(ChildPlan const& plan)
{
    bind_death();
    skip_log();
    memset(&child, 0, sizeof(child));
    child.box = static_cast<Mailbox*>(window(1));
    free_before = free_pages();
    bool const ready = create(plan) && populate() && fill_memory() && set_context(plan);
    EXPECT(ready);
    if (ready && plan.unpause)
        EXPECT_EQ(simple_domctl(XEN_DOMCTL_unpausedomain, child.id), 0);
    return child;
}

void child_ends()
{
    shut_down(SHUTDOWN_poweroff);
}

abi::xen_domctl_getdomaininfo info_of(Child const& of)
{
    abi::xen_domctl op{};
    EXPECT_EQ(domctl(op, XEN_DOMCTL_getdomaininfo, of.id), 0);
    return op.u.getdomaininfo;
}

unsigned wait_for_end(Child const& of, unsigned milliseconds)
{
    std::uint64_t const deadline = now() + milliseconds * kMillisecond;
    for (;;)
    {
        // Cleared before the look: an end after it makes the port pending again, and the poll returns.
        __atomic_fetch_and(&shared().evtchn_pending[death_port / 64], ~(1ull << death_port % 64), __ATOMIC_SEQ_CST);
        std::uint32_t const flags = info_of(of).flags;
        if ((flags & XEN_DOMINF_shutdown) != 0)
            return flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask;
        if (now() > deadline)
            return kStillRunning;
        abi::sched_poll poll{};
        poll.ports.p = &death_port;
        poll.nr_ports = 1;
        poll.timeout = deadline;
        shared().vcpu_info[0].evtchn_upcall_pending = 0;
        shared().vcpu_info[0].evtchn_pending_sel = 0;
        EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_poll, address(&poll)), 0);
    }
}

bool log_says(char const* text)
{
    abi::xen_sysctl op{};
    op.u.readconsole.incremental = 1;
    op.u.readconsole.index = log_index;
    op.u.readconsole.buffer.p = log_text;
    op.u.readconsole.count = sizeof(log_text);
    return sysctl(op, XEN_SYSCTL_readconsole) == 0 && contains(log_text, op.u.readconsole.count, text);
}

void destroy(Child& ending)
{
    if (!ending.alive)
        return;
    EXPECT_EQ(make_writable(window(1)), 0); // the mailbox
    EXPECT_EQ(simple_domctl(XEN_DOMCTL_destroydomain, ending.id), 0);
    abi::xen_domctl op{};
    long const found = domctl(op, XEN_DOMCTL_getdomaininfo, ending.id);
    EXPECT(found == -3 || op.domain != ending.id); // gone, not a zombie
    ending.alive = false;
    // The hypervisor's heap may keep a page of each size class that it has grown.
    std::uint64_t const free_now = free_pages();
    check(free_now + 24 >= free_before, "memory is back", static_cast<long>(free_before - free_now), 0);
}

void expect_good_end(Child& of)
{
    if (!of.alive)
        return;
    EXPECT_EQ(wait_for_end(of), SHUTDOWN_poweroff);
    mailbox.checks += of.box->checks;
    EXPECT(of.box->checks != 0);
    for (unsigned i = 0; i < of.box->failures && i < Mailbox::kReports; ++i)
        check(false, of.box->failed[i].what, of.box->failed[i].got, of.box->failed[i].line);
    check(of.box->failures == 0, "the child's checks", of.box->failures, 0);
    destroy(of);
}

void expect_crash(Child& of, char const* reason)
{
    if (!of.alive)
        return;
    EXPECT_EQ(wait_for_end(of), SHUTDOWN_crash);
    check(log_says(reason), reason, 0, 0);
    for (unsigned i = 0; i < of.box->failures && i < Mailbox::kReports; ++i)
        check(false, of.box->failed[i].what, of.box->failed[i].got, of.box->failed[i].line);
    destroy(of);
}

} // namespace guest
