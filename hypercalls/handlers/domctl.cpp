// SPDX-License-Identifier: MIT
// domctl: the way in, and the life of domains.
#include <hypercalls/handlers/domctl.hpp>

#include <core/domain/hypercall_page.hpp>
#include <core/domain/lifecycle.hpp>
#include <core/domain/range_set.hpp>
#include <core/evtchn/event_channels.hpp>
#include <core/mm/allocator.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <hypercalls/dispatch/groups.hpp>

namespace hv::handlers
{

namespace
{

// One domctl at a time: a domain found living stays so until the call that found it is over.
SpinLock domctl_lock{LockRank::Domctl};

struct Turn
{
    Turn() HV_NO_THREAD_SAFETY : taken(domctl_lock.try_lock()) {}
    ~Turn() HV_NO_THREAD_SAFETY
    {
        if (taken)
            domctl_lock.unlock();
    }
    Turn(Turn const&) = delete;
    bool const taken;
};

} // namespace

CallResult domctl_call(Caller& caller, std::uint64_t address)
{
    struct Header
    {
        std::uint32_t command, version;
    };
    Header const header = HV_TRY(GuestIn<Header>(address).read());
    HV_REQUIRE(header.version == XEN_DOMCTL_INTERFACE_VERSION, Errno::Access);
    HV_REQUIRE(caller.is_control(), Errno::Perm);
    Turn const turn;
    HV_REQUIRE(turn.taken,
               Errno::Restart); // another CPU's call is under way: the caller comes again, events get in between
    return groups::domctl(header.command, address, 0, caller);
}

namespace domctl
{

Result<void> find_target(abi::xen_domctl const& op, DomainRef& target)
{
    target = find_domain(DomainId{op.domain});
    HV_REQUIRE(static_cast<bool>(target), Errno::Srch);
    return {};
}

Result<void> find_living(abi::xen_domctl const& op, DomainRef& target)
{
    HV_TRY_VOID(find_target(op, target));
    HV_REQUIRE(load_acquire(target->life) < Life::Dying, Errno::Srch);
    return {};
}

Result<Vcpu*> find_vcpu(Domain& domain, std::uint32_t id)
{
    Vcpu* const vcpu = domain.vcpu(id);
    HV_REQUIRE(vcpu != nullptr, Errno::Srch);
    return vcpu;
}

CallResult create(Caller&, abi::xen_domctl& op)
{
    abi::xen_domctl_createdomain const& args = op.u.createdomain;
    // Paravirtual domains only: no hardware assistance, no IOMMU, no trace buffers, one CPU pool.
    HV_REQUIRE((args.flags & ~XEN_DOMCTL_CDF_xs_domain) == 0 && args.iommu_opts == 0 && args.vmtrace_size == 0 &&
                   args.cpupool_id == 0 && args.arch.emulation_flags == 0,
               Errno::Inval);
    std::uint32_t const version = XEN_DOMCTL_GRANT_version(args.grant_opts);
    HV_REQUIRE(version == 1 || version == 2, Errno::Inval);
    DomainSettings settings;
    settings.max_vcpus = args.max_vcpus;
    settings.max_event_port = args.max_evtchn_port;
    if (args.max_grant_frames >= 0)
        settings.max_grant_frames = static_cast<std::uint32_t>(args.max_grant_frames);
    if (args.max_maptrack_frames >= 0)
        settings.max_maptrack_frames = static_cast<std::uint32_t>(args.max_maptrack_frames);
    settings.max_grant_version = version;
    settings.ssidref = args.ssidref;
    __builtin_memcpy(settings.handle.data(), args.handle, sizeof(args.handle));
    Domain* const domain = HV_TRY(create_domain(op.domain, settings));
    DomainRef const held(domain);
    op.domain = domain->id().raw();
    return std::int64_t{0};
}

CallResult destroy(Caller& caller, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    HV_REQUIRE(target.get() != &caller.domain(), Errno::Inval);
    Budget budget(kWorkBudget);
    HV_TRY_VOID(destroy_domain(*target, budget));
    return std::int64_t{0};
}

CallResult pause(Caller& caller, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    HV_REQUIRE(target.get() != &caller.domain(), Errno::Inval);
    HV_TRY_VOID(domain_pause_by_controller(*target));
    return std::int64_t{0};
}

CallResult unpause(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    HV_TRY_VOID(domain_unpause_by_controller(*target));
    return std::int64_t{0};
}

CallResult resume(Caller& caller, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    HV_REQUIRE(target.get() != &caller.domain(), Errno::Inval);
    resume_domain(*target);
    return std::int64_t{0};
}

CallResult create_vcpus(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_living(op, target));
    HV_REQUIRE(op.u.max_vcpus.max == target->max_vcpus, Errno::Inval);
    while (target->vcpu_count < target->max_vcpus)
        (void)HV_TRY(create_vcpu(*target));
    return std::int64_t{0};
}

CallResult set_max_mem(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    Guard guard(target->page_lock);
    target->max_pages = op.u.max_mem.max_memkb >> (kPageShift - 10);
    return std::int64_t{0};
}

CallResult set_handle(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    __builtin_memcpy(target->handle.data(), op.u.setdomainhandle.handle, target->handle.size());
    return std::int64_t{0};
}

CallResult set_time_offset(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_living(op, target));
    target->time_offset_seconds = op.u.settimeoffset.time_offset_seconds;
    update_domain_wallclock(*target);
    return std::int64_t{0};
}

CallResult set_virq_handler(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_living(op, target));
    HV_TRY_VOID(hv::set_virq_handler(op.u.set_virq_handler.virq, *target));
    return std::int64_t{0};
}

CallResult hypercall_init(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_living(op, target));
    HV_TRY_VOID(write_hypercall_page(*target, GuestFrame{op.u.hypercall_init.gmfn}));
    return std::int64_t{0};
}

namespace
{

Result<void> change_rights(RangeSet*& set, bool allow, std::uint64_t first, std::uint64_t count)
{
    HV_REQUIRE(count != 0 && first + count - 1 >= first, Errno::Inval);
    if (set == nullptr)
        set = heap_new<RangeSet>();
    HV_REQUIRE(set != nullptr, Errno::NoMem);
    return allow ? set->add(first, first + count - 1) : set->remove(first, first + count - 1);
}

} // namespace

CallResult iomem_permission(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    abi::xen_domctl_iomem_permission const& args = op.u.iomem_permission;
    HV_TRY_VOID(change_rights(target->io_memory, args.allow_access != 0, args.first_mfn, args.nr_mfns));
    return std::int64_t{0};
}

CallResult ioport_permission(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    abi::xen_domctl_ioport_permission const& args = op.u.ioport_permission;
    HV_REQUIRE(args.first_port + std::uint64_t{args.nr_ports} <= 0x10000, Errno::Inval);
    HV_TRY_VOID(change_rights(target->io_ports, args.allow_access != 0, args.first_port, args.nr_ports));
    return std::int64_t{0};
}

} // namespace domctl
} // namespace hv::handlers
