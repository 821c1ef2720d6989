// SPDX-License-Identifier: MIT
// What Debian's tools rely on before anything else works (gotcha 59), and what a guest hears of the machine.
#include <tests/guests/runtime/child.hpp>

using namespace guest;

namespace
{

bool has_token(char const* text, char const* wanted)
{
    unsigned length = 0;
    while (wanted[length] != '\0')
        ++length;
    for (unsigned at = 0; text[at] != '\0';)
    {
        unsigned end = at;
        while (text[end] != '\0' && text[end] != ' ')
            ++end;
        unsigned i = 0;
        while (i < length && at + i < end && text[at + i] == wanted[i])
            ++i;
        if (i == length && at + i == end)
            return true;
        at = text[end] == ' ' ? end + 1 : end;
    }
    return false;
}

// Strings fill their buffers: what follows the text is zero, not what our stack held (XSA-122).
bool zero_after_text(unsigned char const* buffer, unsigned size)
{
    unsigned at = 0;
    while (at < size && buffer[at] != 0)
        ++at;
    for (; at < size; ++at)
        if (buffer[at] != 0)
            return false;
    return buffer[size] == 0xaa; // and nothing behind it is touched
}

void callbacks()
{
    abi::callback_register callback{};
    callback.address = 0x1000;
    for (unsigned type : {CALLBACKTYPE_sysenter_deprecated, 8, 0xffff})
    {
        callback.type = static_cast<std::uint16_t>(type);
        EXPECT_EQ(call(__HYPERVISOR_callback_op, CALLBACKOP_register, address(&callback)), -38);
    }
    for (unsigned type : {CALLBACKTYPE_syscall32, CALLBACKTYPE_sysenter})
    {
        callback.type = static_cast<std::uint16_t>(type);
        EXPECT_EQ(call(__HYPERVISOR_callback_op, CALLBACKOP_register, address(&callback)), 0);
    }
    callback.address = 1ull << 47;
    EXPECT_EQ(call(__HYPERVISOR_callback_op, CALLBACKOP_register, address(&callback)), -22);
}

void versions()
{
    auto* const buffer = reinterpret_cast<unsigned char*>(page(0));
    struct
    {
        unsigned command, size;
    } const strings[] = {
        {XENVER_extraversion, 16}, {XENVER_changeset, 64}, {XENVER_capabilities, 1024}, {XENVER_commandline, 1024}};
    for (auto const& one : strings)
    {
        memset(buffer, 0xaa, 4096);
        EXPECT(call(__HYPERVISOR_xen_version, one.command, address(buffer)) >= 0);
        EXPECT(zero_after_text(buffer, one.size));
    }
    memset(buffer, 0xaa, 4096);
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_compile_info, address(buffer)), 0);
    EXPECT(zero_after_text(buffer + 112, 32)); // the last of its four
    EXPECT(call(__HYPERVISOR_xen_version, XENVER_capabilities, address(buffer)) >= 0);
    EXPECT(has_token(reinterpret_cast<char*>(buffer), "xen-3.0-x86_64"));
    EXPECT(!has_token(reinterpret_cast<char*>(buffer), "hvm-3.0-x86_64"));
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_version, 0), 0x00040011);
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_pagesize, 0), 4096);
    abi::xen_platform_parameters parameters{};
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_platform_parameters, address(&parameters)), 0);
    EXPECT_EQ(parameters.virt_start, 0xffff800000000000);
    abi::xen_feature_info features{};
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_get_features, address(&features)), 0);
    EXPECT((features.submap &
            (1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_gnttab_map_avail_bits | 1u << XENFEAT_dom0)) ==
           (1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_gnttab_map_avail_bits | 1u << XENFEAT_dom0));
    EXPECT((features.submap & (1u << XENFEAT_writable_page_tables | 1u << XENFEAT_auto_translated_physmap |
                               1u << XENFEAT_supervisor_mode_kernel)) == 0);
    features.submap_idx = 1;
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_get_features, address(&features)), -22);
}

// A wrong interface version is told before anything else, also to who may not ask at all.
void interface_versions()
{
    for (unsigned number : {__HYPERVISOR_domctl, __HYPERVISOR_sysctl, __HYPERVISOR_platform_op})
    {
        memset(page(0), 0, 4096);
        auto* const header = reinterpret_cast<std::uint32_t*>(page(0));
        for (std::uint32_t command : {0u, 5u, 1000u})
            for (std::uint32_t version : {0u, 1u, 0x14u, 0x16u, 0xffffffffu})
            {
                header[0] = command;
                header[1] = version;
                EXPECT_EQ(call(number, address(header)), -13);
            }
        header[0] = 1000;
        header[1] = number == __HYPERVISOR_platform_op ? XENPF_INTERFACE_VERSION : 0x15;
        EXPECT_EQ(call(number, address(header)), mailbox.in_child != 0 ? -1 : -38);
    }
}

void listings()
{
    abi::xen_domctl op{};
    EXPECT_EQ(domctl(op, XEN_DOMCTL_getdomaininfo, 0), 0);
    EXPECT_EQ(op.domain, 0);
    EXPECT_EQ(domctl(op, XEN_DOMCTL_getdomaininfo, 0x7ff0), -22);
    EXPECT_EQ(domctl(op, XEN_DOMCTL_getdomaininfo, 0x7000), -3);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_get_sharing_freed_pages, 0), -38); // libxl takes no other error
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_get_sharing_shared_pages, 0), -38);
    abi::xen_mem_acquire_resource resource{};
    resource.type = 7;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_acquire_resource, address(&resource)), -95);
    resource.type = XENMEM_resource_grant_table;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_acquire_resource, address(&resource)), 0);
    EXPECT_EQ(resource.nr_frames, 64);
    abi::xen_sysctl system{};
    EXPECT_EQ(sysctl(system, XEN_SYSCTL_physinfo), 0);
    EXPECT((system.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_pv) != 0);
    EXPECT((system.u.physinfo.capabilities & (XEN_SYSCTL_PHYSCAP_hvm | XEN_SYSCTL_PHYSCAP_directio)) == 0);
    EXPECT(system.u.physinfo.free_pages < system.u.physinfo.total_pages);
    system = {};
    EXPECT_EQ(sysctl(system, XEN_SYSCTL_sched_id), 0);
    EXPECT_EQ(system.u.sched_id.sched_id, XEN_SCHEDULER_CREDIT2);
    system = {};
    system.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
    EXPECT_EQ(sysctl(system, XEN_SYSCTL_cpupool_op), 0);
    EXPECT_EQ(system.u.cpupool_op.cpupool_id, 0);
    EXPECT_EQ(call(__HYPERVISOR_hvm_op, 0, 0), -38);
    EXPECT_EQ(call(__HYPERVISOR_xsm_op, 0), -38);
    EXPECT_EQ(call(__HYPERVISOR_argo_op, 0), -38);
    EXPECT_EQ(call(__HYPERVISOR_kexec_op, 0, 0), -38);
}

void child_body()
{
    install_shared();
    install_traps();
    interface_versions();
    auto* const buffer = reinterpret_cast<unsigned char*>(page(0));
    EXPECT(call(__HYPERVISOR_xen_version, XENVER_commandline, address(buffer)) >= 0);
    EXPECT(buffer[0] == '<'); // "<denied>": not a guest's business
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_build_id, 0), -1);
    abi::xen_memory_map map_args{};
    map_args.nr_entries = 128;
    map_args.buffer.p = buffer;
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_machine_memory_map, address(&map_args)), -1);
    EXPECT_EQ(call(__HYPERVISOR_memory_op, XENMEM_memory_map, address(&map_args)), -38); // the tools gave none
    EXPECT_EQ(call(__HYPERVISOR_vm_assist, VMASST_CMD_enable, 6), -22);
    abi::xen_feature_info features{};
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_get_features, address(&features)), 0);
    EXPECT((features.submap & 1u << XENFEAT_dom0) == 0);
    child_ends();
}

// What a domain is told in ids and counts while it is built, paused, and gone.
void lives()
{
    Child& child = start_child(ChildPlan{child_body, 1, false});
    EXPECT((info_of(child).flags & XEN_DOMINF_paused) != 0);
    abi::xen_domctl op{};
    EXPECT_EQ(domctl(op, XEN_DOMCTL_getdomaininfo, 1), 0); // the next one that there is
    EXPECT_EQ(op.domain, child.id);
    for (unsigned i = 0; i < 254; ++i)
        EXPECT_EQ(simple_domctl(XEN_DOMCTL_pausedomain, child.id), 0);
    EXPECT_EQ(simple_domctl(XEN_DOMCTL_pausedomain, child.id), -75);
    for (unsigned i = 0; i < 255; ++i)
        EXPECT_EQ(simple_domctl(XEN_DOMCTL_unpausedomain, child.id), 0);
    EXPECT_EQ(simple_domctl(XEN_DOMCTL_unpausedomain, child.id), -22);
    expect_good_end(child);
    op = {};
    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.flags = XEN_DOMCTL_CDF_hvm;
    op.u.createdomain.grant_opts = 1;
    EXPECT_EQ(domctl(op, XEN_DOMCTL_createdomain, 0), -22);
    op.u.createdomain.flags = XEN_DOMCTL_CDF_iommu;
    EXPECT_EQ(domctl(op, XEN_DOMCTL_createdomain, 0), -22);
    op.u.createdomain.flags = 0;
    op.u.createdomain.max_vcpus = 129;
    EXPECT_EQ(domctl(op, XEN_DOMCTL_createdomain, 0), -22);
    for (std::uint32_t command : {XEN_DOMCTL_pausedomain, XEN_DOMCTL_destroydomain})
    {
        EXPECT_EQ(simple_domctl(command, 0), -22); // ourselves
        EXPECT_EQ(simple_domctl(command, 0x7000), -3);
    }
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    versions();
    callbacks();
    interface_versions();
    listings();
    lives();
    finish();
}
