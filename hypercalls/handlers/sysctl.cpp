// SPDX-License-Identifier: MIT
// sysctl: the machine, its console, its domains.
#include <hypercalls/handlers/sysctl.hpp>

#include <core/console/command_keys.hpp>
#include <core/console/console.hpp>
#include <core/domain/lifecycle.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/claims.hpp>
#include <core/policy/system_policies.hpp>
#include <core/sched/scheduler.hpp>
#include <hypercalls/dispatch/groups.hpp>
#include <hypercalls/handlers/cpu_bitmap.hpp>
#include <hypercalls/handlers/domctl.hpp>
#include <hypercalls/handlers/policy_lists.hpp>

namespace hv::handlers
{

CallResult sysctl_call(Caller& caller, std::uint64_t address)
{
    struct Header
    {
        std::uint32_t command, version;
    };
    Header const header = HV_TRY(GuestIn<Header>(address).read());
    HV_REQUIRE(header.version == XEN_SYSCTL_INTERFACE_VERSION, Errno::Access);
    HV_REQUIRE(caller.is_control(), Errno::Perm);
    return groups::sysctl(header.command, address, 0, caller);
}

namespace sysctl
{

CallResult read_console(Caller&, abi::xen_sysctl& op)
{
    abi::xen_sysctl_readconsole& args = op.u.readconsole;
    std::uint64_t const address = reinterpret_cast<std::uint64_t>(args.buffer.p);
    std::uint32_t position = args.index;
    std::uint32_t copied = 0;
    bool incremental = args.incremental != 0;
    while (copied < args.count)
    {
        char text[512];
        std::size_t const wanted = args.count - copied < sizeof(text) ? args.count - copied : sizeof(text);
        std::size_t const got = console().read_ring(position, incremental, {text, wanted});
        if (got == 0)
            break;
        if (!port::copy_to_guest(GuestVirtual{address + copied}, text, got))
            return Errno::Fault;
        copied += static_cast<std::uint32_t>(got);
        incremental = true; // the first piece found the oldest byte
    }
    if (args.clear != 0)
        console().clear_ring();
    args.index = position;
    args.count = copied;
    return std::int64_t{0};
}

CallResult physical_info(Caller&, abi::xen_sysctl& op)
{
    abi::xen_sysctl_physinfo& info = op.u.physinfo;
    info = {};
    std::uint32_t const cpus = port::online_cpus();
    info.threads_per_core = 1;
    info.cores_per_socket = cpus;
    info.nr_cpus = cpus;
    info.max_cpu_id = cpus - 1;
    info.nr_nodes = 1;
    info.cpu_khz = static_cast<std::uint32_t>(port::tsc_scale().khz);
    info.capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1 | XEN_SYSCTL_PHYSCAP_gnttab_v2;
    info.total_pages = total_frames();
    info.free_pages = free_frames();
    info.outstanding_pages = claimed_frames();
    info.max_mfn = port::max_mfn().raw() - 1;
    policy::FeatureSet const features = policy::system_policies().host.features();
    for (unsigned i = 0; i < 8; ++i)
        info.hw_cap[i] = features.words[i];
    return std::int64_t{0};
}

CallResult scheduler_id(Caller&, abi::xen_sysctl& op)
{
    op.u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
    return std::int64_t{0};
}

CallResult list_domains(Caller&, abi::xen_sysctl& op)
{
    abi::xen_sysctl_getdomaininfolist& args = op.u.getdomaininfolist;
    constexpr std::uint32_t kMost = 1024;
    GuestOut<abi::xen_domctl_getdomaininfo> const list(reinterpret_cast<std::uint64_t>(args.buffer.p));
    std::uint32_t const wanted = args.max_domains < kMost ? args.max_domains : kMost;
    std::uint32_t next = args.first_domain;
    args.num_domains = 0;
    while (args.num_domains < wanted)
    {
        abi::xen_domctl_getdomaininfo infos[domctl::kDescribedAtOnce];
        std::size_t const place = wanted - args.num_domains;
        std::size_t const count =
            domctl::describe_domains(next, std::span(infos, place < std::size(infos) ? place : std::size(infos)));
        if (count == 0)
            break;
        HV_REQUIRE(list.write_array(infos, args.num_domains, count), Errno::Fault);
        args.num_domains += static_cast<std::uint32_t>(count);
        next = infos[count - 1].domain + 1u;
    }
    return std::int64_t{0};
}

CallResult debug_keys(Caller&, abi::xen_sysctl& op)
{
    abi::xen_sysctl_debug_keys const& args = op.u.debug_keys;
    for (std::uint32_t i = 0; i < args.nr_keys && i < 64; ++i)
    {
        char const key = HV_TRY(GuestIn<char>(reinterpret_cast<std::uint64_t>(args.keys.p)).read(i));
        command_key(key);
    }
    return std::int64_t{0};
}

CallResult cpu_info(Caller&, abi::xen_sysctl& op)
{
    abi::xen_sysctl_getcpuinfo& args = op.u.getcpuinfo;
    std::uint32_t const cpus = port::online_cpus() < args.max_cpus ? port::online_cpus() : args.max_cpus;
    for (std::uint32_t cpu = 0; cpu < cpus; ++cpu)
    {
        abi::xen_sysctl_cpuinfo info{};
        info.idletime = sched_cpu_counts(CpuId{cpu}).idle_nanoseconds;
        HV_TRY_VOID(GuestOut<abi::xen_sysctl_cpuinfo>(reinterpret_cast<std::uint64_t>(args.info.p)).write(info, cpu));
    }
    args.nr_cpus = cpus;
    return std::int64_t{0};
}

CallResult available_memory(Caller&, abi::xen_sysctl& op)
{
    op.u.availheap.avail_bytes = free_frames() << kPageShift;
    return std::int64_t{0};
}

CallResult cpu_topology(Caller&, abi::xen_sysctl& op)
{
    abi::xen_sysctl_cputopoinfo& args = op.u.cputopoinfo;
    std::uint32_t const cpus = port::online_cpus();
    std::uint64_t const address = reinterpret_cast<std::uint64_t>(args.cputopo.p);
    if (address != 0)
    {
        std::uint32_t const count = args.num_cpus < cpus ? args.num_cpus : cpus;
        for (std::uint32_t cpu = 0; cpu < count; ++cpu)
            HV_TRY_VOID(GuestOut<abi::xen_sysctl_cputopo>(address).write({cpu, 0, 0}, cpu));
    }
    args.num_cpus = cpus;
    return std::int64_t{0};
}

CallResult numa_info(Caller&, abi::xen_sysctl& op)
{
    abi::xen_sysctl_numainfo& args = op.u.numainfo;
    std::uint64_t const memory = reinterpret_cast<std::uint64_t>(args.meminfo.p);
    std::uint64_t const distance = reinterpret_cast<std::uint64_t>(args.distance.p);
    if (memory != 0 && args.num_nodes != 0)
        HV_TRY_VOID(GuestOut<abi::xen_sysctl_meminfo>(memory).write(
            {total_frames() << kPageShift, free_frames() << kPageShift}));
    if (distance != 0 && args.num_nodes != 0)
        HV_TRY_VOID(GuestOut<std::uint32_t>(distance).write(10)); // ACPI's distance of a node to itself
    args.num_nodes = 1;
    return std::int64_t{0};
}

CallResult cpupool_op(Caller&, abi::xen_sysctl& op)
{
    abi::xen_sysctl_cpupool_op& args = op.u.cpupool_op;
    switch (args.op)
    {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        HV_REQUIRE(args.cpupool_id == 0, Errno::NoEnt);
        args.sched_id = XEN_SCHEDULER_CREDIT2;
        args.n_dom = domain_count();
        HV_TRY_VOID(write_cpu_bitmap(args.cpumap, online_cpus()));
        return std::int64_t{0};
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO: HV_TRY_VOID(write_cpu_bitmap(args.cpumap, CpuMask{})); return std::int64_t{0};
    default: return Errno::OpNotSupp;
    }
}

CallResult scheduler_op(Caller&, abi::xen_sysctl& op)
{
    abi::xen_sysctl_scheduler_op& args = op.u.scheduler_op;
    HV_REQUIRE(args.cpupool_id == 0 && args.sched_id == XEN_SCHEDULER_CREDIT2, Errno::Inval);
    if (args.cmd == XEN_SYSCTL_SCHEDOP_putinfo)
        HV_TRY_VOID(sched_set_ratelimit_us(args.u.sched_credit2.ratelimit_us));
    args.u.sched_credit2.ratelimit_us = sched_ratelimit_us();
    return std::int64_t{0};
}

CallResult pci_topology(Caller& caller, abi::xen_sysctl& op)
{
    abi::xen_sysctl_pcitopoinfo& args = op.u.pcitopoinfo;
    std::uint64_t const nodes = reinterpret_cast<std::uint64_t>(args.nodes.p);
    HV_REQUIRE(args.num_devs <= 65536, Errno::Inval);
    for (std::uint32_t i = 0; i < args.num_devs; ++i)
    {
        HV_TRY_VOID(GuestOut<std::uint32_t>(nodes).write(0, i));
        (void)caller.spend(1);
    }
    return std::int64_t{0};
}

CallResult levelling_capabilities(Caller&, abi::xen_sysctl& op)
{
    op.u.cpu_levelling_caps.caps = policy::levelling_capabilities();
    return std::int64_t{0};
}

CallResult feature_set(Caller&, abi::xen_sysctl& op)
{
    abi::xen_sysctl_cpu_featureset& args = op.u.cpu_featureset;
    policy::FeatureSet const features = HV_TRY(policy::system_features(args.index));
    std::uint64_t const address = reinterpret_cast<std::uint64_t>(args.features.p);
    constexpr std::uint32_t kWords = policy::kFeatureWords;
    std::uint32_t const count = address != 0 && args.nr_features < kWords ? args.nr_features : kWords;
    for (std::uint32_t i = 0; address != 0 && i < count; ++i)
        HV_TRY_VOID(GuestOut<std::uint32_t>(address).write(features.words[i], i));
    bool const short_list = address != 0 && args.nr_features < kWords;
    args.nr_features = count;
    return short_list ? CallResult(Errno::NoBufs) : CallResult(std::int64_t{0});
}

CallResult cpu_policy(Caller&, abi::xen_sysctl& op)
{
    abi::xen_sysctl_cpu_policy& args = op.u.cpu_policy;
    HV_REQUIRE(args._rsvd == 0, Errno::Inval);
    CpuPolicy const& policy = *HV_TRY(policy::system_policy(args.index));
    PolicyLists lists{reinterpret_cast<std::uint64_t>(args.leaves.p), reinterpret_cast<std::uint64_t>(args.msrs.p),
                      args.nr_leaves, args.nr_msrs};
    HV_TRY_VOID(write_policy(policy, lists));
    args.nr_leaves = lists.leaf_count;
    args.nr_msrs = lists.msr_count;
    return std::int64_t{0};
}

} // namespace sysctl
} // namespace hv::handlers
