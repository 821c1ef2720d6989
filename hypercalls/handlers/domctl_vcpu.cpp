// SPDX-License-Identifier: MIT
// domctl: the state of vCPUs and the CPU they see.
#include <hypercalls/handlers/domctl.hpp>

#include <core/domain/context.hpp>
#include <core/mm/allocator.hpp>
#include <core/policy/descriptor.hpp>
#include <core/sched/scheduler.hpp>
#include <hypercalls/handlers/policy_lists.hpp>

namespace hv::handlers::domctl
{
namespace
{

struct ContextBuffer // too large for the stack
{
    ContextBuffer() : context(heap_new<abi::vcpu_guest_context>()) {}
    ~ContextBuffer() { heap_delete(context); }
    ContextBuffer(ContextBuffer const&) = delete;
    abi::vcpu_guest_context* context;
};

// The vCPU's domain stays paused while its state is touched.
struct Paused
{
    explicit Paused(Domain& paused) : domain(paused) { domain_pause(domain); }
    ~Paused() { domain_unpause(domain); }
    Paused(Paused const&) = delete;
    Domain& domain;
};

} // namespace

CallResult set_context(Caller& caller, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_living(op, target));
    HV_REQUIRE(target.get() != &caller.domain(), Errno::Inval);
    Vcpu& vcpu = *HV_TRY(find_vcpu(*target, op.u.vcpucontext.vcpu));
    std::uint64_t const address = reinterpret_cast<std::uint64_t>(op.u.vcpucontext.ctxt.p);
    Budget budget(kWorkBudget);
    Paused const paused(*target);
    if (address == 0)
    {
        HV_TRY_VOID(reset_vcpu(vcpu, budget));
        vcpu_down(vcpu);
        return std::int64_t{0};
    }
    ContextBuffer const buffer;
    HV_REQUIRE(buffer.context != nullptr, Errno::NoMem);
    if (!port::copy_from_guest(buffer.context, GuestVirtual{address}, sizeof(*buffer.context)))
        return Errno::Fault;
    if (vcpu.initialised)
    {
        port::unload_domain(*target); // an idle CPU may hold the old registers
        HV_TRY_VOID(update_vcpu_registers(vcpu, *buffer.context));
        return std::int64_t{0};
    }
    HV_TRY_VOID(set_vcpu_context(vcpu, *buffer.context, budget));
    if ((buffer.context->flags & VGCF_online) != 0)
        vcpu_up(vcpu);
    return std::int64_t{0};
}

CallResult get_context(Caller& caller, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_living(op, target));
    HV_REQUIRE(target.get() != &caller.domain(), Errno::Inval);
    Vcpu& vcpu = *HV_TRY(find_vcpu(*target, op.u.vcpucontext.vcpu));
    HV_REQUIRE(vcpu.initialised, Errno::NoData);
    ContextBuffer const buffer;
    HV_REQUIRE(buffer.context != nullptr, Errno::NoMem);
    {
        Paused const paused(*target);
        get_vcpu_context(vcpu, *buffer.context);
    }
    std::uint64_t const address = reinterpret_cast<std::uint64_t>(op.u.vcpucontext.ctxt.p);
    if (!port::copy_to_guest(GuestVirtual{address}, buffer.context, sizeof(*buffer.context)))
        return Errno::Fault;
    return std::int64_t{0};
}

CallResult set_extended_context(Caller& caller, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_living(op, target));
    HV_REQUIRE(target.get() != &caller.domain(), Errno::Inval);
    abi::xen_domctl_ext_vcpucontext const& args = op.u.ext_vcpucontext;
    Vcpu& vcpu = *HV_TRY(find_vcpu(*target, args.vcpu));
    HV_REQUIRE(args.size >= offsetof(abi::xen_domctl_ext_vcpucontext, mcg_cap) &&
                   is_canonical(args.syscall32_callback_eip) && is_canonical(args.sysenter_callback_eip),
               Errno::Inval);
    Paused const paused(*target);
    vcpu.pv.syscall32_callback = {args.syscall32_callback_eip, args.syscall32_disables_events != 0};
    vcpu.pv.sysenter_callback = {args.sysenter_callback_eip, args.sysenter_disables_events != 0};
    return std::int64_t{0};
}

CallResult get_extended_context(Caller& caller, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    HV_REQUIRE(target.get() != &caller.domain(), Errno::Inval);
    abi::xen_domctl_ext_vcpucontext& args = op.u.ext_vcpucontext;
    Vcpu& vcpu = *HV_TRY(find_vcpu(*target, args.vcpu));
    Paused const paused(*target);
    std::uint32_t const id = args.vcpu;
    args = {};
    args.vcpu = id;
    args.size = sizeof(args);
    args.syscall32_callback_eip = vcpu.pv.syscall32_callback.address;
    args.syscall32_disables_events = vcpu.pv.syscall32_callback.mask_events;
    args.sysenter_callback_eip = vcpu.pv.sysenter_callback.address;
    args.sysenter_disables_events = vcpu.pv.sysenter_callback.mask_events;
    return std::int64_t{0};
}

CallResult send_trigger(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_living(op, target));
    Vcpu& vcpu = *HV_TRY(find_vcpu(*target, op.u.sendtrigger.vcpu));
    HV_REQUIRE(op.u.sendtrigger.trigger == XEN_DOMCTL_SENDTRIGGER_NMI, Errno::NoSys);
    vcpu_send_nmi(vcpu);
    return std::int64_t{0};
}

CallResult get_cpu_policy(Caller&, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_target(op, target));
    abi::xen_domctl_cpu_policy& args = op.u.cpu_policy;
    PolicyLists lists{reinterpret_cast<std::uint64_t>(args.leaves.p), reinterpret_cast<std::uint64_t>(args.msrs.p),
                      args.nr_leaves, args.nr_msrs};
    HV_TRY_VOID(write_policy(*target->policy, lists));
    args.nr_leaves = lists.leaf_count;
    args.nr_msrs = lists.msr_count;
    return std::int64_t{0};
}

CallResult set_cpu_policy(Caller& caller, abi::xen_domctl& op)
{
    DomainRef target;
    HV_TRY_VOID(find_living(op, target));
    HV_REQUIRE(target.get() != &caller.domain(), Errno::Inval);
    abi::xen_domctl_cpu_policy& args = op.u.cpu_policy;
    PolicyLists const lists{reinterpret_cast<std::uint64_t>(args.leaves.p),
                            reinterpret_cast<std::uint64_t>(args.msrs.p), args.nr_leaves, args.nr_msrs};
    policy::PolicyError error;
    auto const applied = apply_policy(*target, lists, error);
    if (applied)
        return std::int64_t{0};
    args.err_leaf = error.leaf;
    args.err_subleaf = error.subleaf;
    args.err_msr = error.msr;
    return applied.error();
}

} // namespace hv::handlers::domctl
