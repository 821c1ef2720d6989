// SPDX-License-Identifier: MIT
// domctl: reports, scheduling parameters, and what there is only one answer to.
#include <hypercalls/handlers/domctl.hpp>

#include <core/mm/frame.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <hypercalls/handlers/cpu_bitmap.hpp>

namespace hv::handlers::domctl
{
namespace
{

bool is_up(Vcpu const& vcpu)
{
    return (load_acquire(vcpu.sched.stop) & stop::kDown) == 0;
}

std::uint32_t state_flags(Domain const& domain, bool running, bool all_blocked)
{
    std::uint32_t flags = domain.shut_down ? XEN_DOMINF_shutdown | domain.shutdown_code << XEN_DOMINF_shutdownshift : 0;
    flags |= load_acquire(domain.life) == Life::Dead ? XEN_DOMINF_dying : 0;
    flags |= domain.controller_pause_count != 0 ? XEN_DOMINF_paused : 0;
    flags |= running ? XEN_DOMINF_running : (all_blocked ? XEN_DOMINF_blocked : 0);
    return flags;
}

// Every byte of the entry is written, and by itself: clearing it first would cost more than the rest.
[[gnu::always_inline]] inline void describe_domain(Domain& domain, abi::xen_domctl_getdomaininfo& info)
{
    static_assert(std::has_unique_object_representations_v<abi::xen_domctl_getdomaininfo>); // no hidden padding
    std::uint64_t cpu_time = 0;
    std::uint32_t online = 0;
    bool running = false;
    bool all_blocked = true;
    std::uint32_t const vcpus = load_acquire(domain.vcpu_count);
    for (std::uint32_t id = 0; id < vcpus; ++id)
    {
        Vcpu& vcpu = *domain.vcpus[id];
        VcpuActivity const activity = vcpu_activity(vcpu);
        cpu_time += vcpu_time_running(vcpu);
        running |= activity == VcpuActivity::Running;
        all_blocked &= activity == VcpuActivity::Blocked || activity == VcpuActivity::Offline;
        online += is_up(vcpu); // paused ones too
    }
    info.domain = domain.id().raw();
    info.pad1 = 0;
    info.flags = state_flags(domain, running, all_blocked);
    info.tot_pages = domain.pages.count + domain.relinquished_pages.count;
    info.max_pages = domain.max_pages;
    info.outstanding_pages = domain.claimed_pages;
    info.shr_pages = 0;
    info.paged_pages = 0;
    info.shared_info_frame = domain.expose(domain.shared_info_frame).raw();
    info.cpu_time = cpu_time;
    info.nr_online_vcpus = online;
    info.max_vcpu_id = vcpus - 1;
    static_assert(XEN_INVALID_MAX_VCPU_ID == 0u - 1);
    info.ssidref = domain.ssidref;
    __builtin_memcpy(info.handle, domain.handle.data(), sizeof(info.handle));
    info.cpupool = 0;
    info.gpaddr_bits = 0;
    __builtin_memset(info.pad2, 0, sizeof(info.pad2));
    __builtin_memset(&info.arch_config, 0, sizeof(info.arch_config));
}

} // namespace

std::size_t describe_domains(std::uint32_t from, std::span<abi::xen_domctl_getdomaininfo> infos)
{
    std::array<DomainRef, kDescribedAtOnce> domains;
    std::size_t const most = infos.size() < domains.size() ? infos.size() : domains.size();
    std::size_t const count = next_domains(from, std::span(domains).first(most));
    for (std::size_t i = 0; i < count; ++i)
        describe_domain(*domains[i], infos[i]);
    return count;
}

CallResult get_info(Caller&, abi::xen_domctl& op)
{
    HV_REQUIRE(op.domain < kFirstReservedDomain, Errno::Inval);
    HV_REQUIRE(describe_domains(op.domain, {&op.u.getdomaininfo, 1}) != 0, Errno::Srch);
    op.domain = op.u.getdomaininfo.domain;
    return std::int64_t{0};
}

CallResult get_vcpu_info(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    abi::xen_domctl_getvcpuinfo& info = op.u.getvcpuinfo;
    Vcpu& vcpu = *HV_TRY(find_vcpu(*target, info.vcpu));
    VcpuActivity const activity = vcpu_activity(vcpu);
    info.online = is_up(vcpu);
    info.blocked = activity == VcpuActivity::Blocked;
    info.running = activity == VcpuActivity::Running;
    info.cpu_time = vcpu_time_running(vcpu);
    info.cpu = vcpu.sched.cpu.raw();
    return std::int64_t{0};
}

CallResult set_affinity(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_living(op, target));
    abi::xen_domctl_vcpuaffinity& args = op.u.vcpuaffinity;
    Vcpu& vcpu = *HV_TRY(find_vcpu(*target, args.vcpu));
    HV_REQUIRE((args.flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)) != 0, Errno::Inval);
    CpuMask hard, soft;
    bool const set_hard = (args.flags & XEN_VCPUAFFINITY_HARD) != 0;
    bool const set_soft = (args.flags & XEN_VCPUAFFINITY_SOFT) != 0;
    if ((args.flags & XEN_VCPUAFFINITY_FORCE) != 0)
        (void)sched_pin_override(vcpu, -1).error(); // none in place is no error here
    if (set_hard)
        hard = HV_TRY(read_cpu_bitmap(args.cpumap_hard));
    if (set_soft)
        soft = HV_TRY(read_cpu_bitmap(args.cpumap_soft));
    HV_TRY_VOID(sched_set_affinity(vcpu, set_hard ? &hard : nullptr, set_soft ? &soft : nullptr));
    CpuMask const online = online_cpus();
    if (set_hard)
        HV_TRY_VOID(write_cpu_bitmap(args.cpumap_hard, vcpu.sched.hard & online));
    if (set_soft)
        HV_TRY_VOID(write_cpu_bitmap(args.cpumap_soft, vcpu.sched.soft & vcpu.sched.hard & online));
    return std::int64_t{0};
}

CallResult get_affinity(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    abi::xen_domctl_vcpuaffinity& args = op.u.vcpuaffinity;
    Vcpu& vcpu = *HV_TRY(find_vcpu(*target, args.vcpu));
    HV_REQUIRE((args.flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)) != 0, Errno::Inval);
    if ((args.flags & XEN_VCPUAFFINITY_HARD) != 0)
        HV_TRY_VOID(write_cpu_bitmap(args.cpumap_hard, vcpu.sched.hard));
    if ((args.flags & XEN_VCPUAFFINITY_SOFT) != 0)
        HV_TRY_VOID(write_cpu_bitmap(args.cpumap_soft, vcpu.sched.soft));
    return std::int64_t{0};
}

CallResult scheduler_op(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    abi::xen_domctl_scheduler_op& args = op.u.scheduler_op;
    HV_REQUIRE(args.sched_id == XEN_SCHEDULER_CREDIT2, Errno::Inval);
    switch (args.cmd)
    {
    case XEN_DOMCTL_SCHEDOP_putinfo:
        HV_TRY_VOID(find_living(op, target)); // a cap starts a timer
        if (args.u.credit2.weight != 0)
            HV_TRY_VOID(sched_set_weight(*target, args.u.credit2.weight));
        if (args.u.credit2.cap != 0xffff) // the tools' "leave it"
            HV_TRY_VOID(sched_set_cap(*target, args.u.credit2.cap));
        return std::int64_t{0};
    case XEN_DOMCTL_SCHEDOP_getinfo:
        args.u.credit2.weight = static_cast<std::uint16_t>(target->sched_weight);
        args.u.credit2.cap = static_cast<std::uint16_t>(target->sched_cap);
        return std::int64_t{0};
    default: return Errno::OpNotSupp;
    }
}

CallResult shadow_op(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    return Errno::OpNotSupp;
}

CallResult set_address_size(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    HV_REQUIRE(op.u.address_size.size == 64, Errno::Inval);
    return std::int64_t{0};
}

CallResult get_address_size(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    op.u.address_size.size = 64;
    return std::int64_t{0};
}

CallResult get_tsc_info(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    op.u.tsc_info = {};
    op.u.tsc_info.tsc_mode = 2; // never emulated (XEN_CPUID_TSC_MODE_NEVER_EMULATE)
    op.u.tsc_info.gtsc_khz = static_cast<std::uint32_t>(port::tsc_scale().khz);
    return std::int64_t{0};
}

CallResult set_tsc_info(Caller&, abi::xen_domctl& op)
{
    constexpr std::uint32_t kAlwaysEmulate = 1;
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    HV_REQUIRE(op.u.tsc_info.tsc_mode != kAlwaysEmulate, Errno::OpNotSupp);
    return std::int64_t{0};
}

CallResult set_node_affinity(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    return std::int64_t{0};
}

CallResult get_node_affinity(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    HV_TRY_VOID(write_cpu_bitmap(op.u.nodeaffinity.nodemap, CpuMask{1}));
    return std::int64_t{0};
}

namespace
{

// A frame as the tools' saver wants to hear of it (surface.md, 6).
std::uint64_t frame_type_word(Domain const& domain, std::uint64_t frame_number)
{
    FrameInfo const* info = frame_info(domain.resolve(GuestFrame{frame_number}));
    if (info == nullptr || info->owner() != domain.id() || info->special())
        return XEN_DOMCTL_PFINFO_XTAB;
    FrameType const type = info->type();
    std::uint64_t word = 0;
    if (type >= FrameType::L1 && type <= FrameType::L4 && info->validated() && info->type_count() != 0)
        word = static_cast<std::uint64_t>(type) << XEN_DOMCTL_PFINFO_LTAB_SHIFT;
    return info->pinned() ? word | XEN_DOMCTL_PFINFO_LPINTAB : word;
}

} // namespace

CallResult get_frame_types(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    abi::xen_domctl_getpageframeinfo3 const& args = op.u.getpageframeinfo3;
    HV_REQUIRE(args.num <= 1024, Errno::TooBig);
    GuestInOut<std::uint64_t> const list(reinterpret_cast<std::uint64_t>(args.array.p));
    for (std::uint64_t i = 0; i < args.num; ++i)
    {
        std::uint64_t const frame = HV_TRY(list.read(i));
        HV_TRY_VOID(list.write(frame_type_word(*target, frame), i));
    }
    return std::int64_t{0};
}

} // namespace hv::handlers::domctl
