// SPDX-License-Identifier: MIT
// A PV vCPU's own state.
#include <hypercalls/handlers/pv.hpp>

#include <core/domain/hypercall_page.hpp>
#include <core/policy/descriptor.hpp>

namespace hv::handlers
{

CallResult set_trap_table(Caller& caller, std::uint64_t address)
{
    abi::trap_info* traps = caller.vcpu().pv.traps;
    if (address == 0)
    {
        __builtin_memset(traps, 0, 256 * sizeof(abi::trap_info));
        return std::int64_t{0};
    }
    GuestIn<abi::trap_info> const list(address);
    // A list names each vector at most once in practice; the bound keeps an endless list from holding the CPU.
    for (unsigned i = 0; i < 256 + 1; ++i)
    {
        abi::trap_info trap = HV_TRY(list.read(i));
        if (trap.address == 0)
            return std::int64_t{0};
        HV_REQUIRE(is_canonical(trap.address), Errno::Inval);
        trap.cs = policy::fix_selector(trap.cs);
        traps[trap.vector] = trap;
    }
    return Errno::Inval;
}

CallResult stack_switch(Caller& caller, std::uint64_t selector, std::uint64_t pointer)
{
    caller.vcpu().pv.kernel_ss = policy::fix_selector(static_cast<std::uint16_t>(selector));
    caller.vcpu().pv.kernel_sp = pointer;
    return std::int64_t{0};
}

CallResult set_callbacks(Caller& caller, std::uint64_t event, std::uint64_t failsafe, std::uint64_t syscall)
{
    HV_REQUIRE(is_canonical(event) && is_canonical(failsafe) && is_canonical(syscall), Errno::Inval);
    PvState& pv = caller.vcpu().pv;
    pv.event_callback = {event, true};
    pv.failsafe_callback = {failsafe, false};
    pv.syscall_callback = {syscall, false};
    return std::int64_t{0};
}

CallResult fpu_taskswitch(Caller& caller, std::uint64_t set)
{
    caller.vcpu().pv.fpu_task_switched = set != 0;
    port::task_switched_changed(caller.vcpu());
    return std::int64_t{0};
}

CallResult set_segment_base(Caller& caller, std::uint64_t selected, std::uint64_t base)
{
    auto const which = static_cast<std::uint32_t>(selected);
    if (which == SEGBASE_GS_USER_SEL)
    {
        port::set_user_gs_selector(caller.vcpu(), policy::fix_data_selector(static_cast<std::uint16_t>(base)));
        return std::int64_t{0};
    }
    HV_REQUIRE(which <= SEGBASE_GS_KERNEL && is_canonical(base), Errno::Inval);
    port::set_segment_base(caller.vcpu(), static_cast<port::SegmentBase>(which), base);
    return std::int64_t{0};
}

CallResult vm_assist(Caller& caller, std::uint64_t operation, std::uint64_t number)
{
    auto const command = static_cast<std::uint32_t>(operation);
    auto const type = static_cast<std::uint32_t>(number);
    HV_REQUIRE(command == VMASST_CMD_enable || command == VMASST_CMD_disable, Errno::NoSys);
    bool const enable = command == VMASST_CMD_enable;
    Domain& domain = caller.domain();
    if (type == VMASST_TYPE_m2p_strict)
    {
        domain.vm_assist_m2p_strict = enable; // user roots never show the table here, strict or not
        return std::int64_t{0};
    }
    HV_REQUIRE(type <= VMASST_TYPE_runstate_update_flag, Errno::Inval);
    if (enable)
        fetch_or(domain.vm_assist, 1u << type);
    else
        fetch_and(domain.vm_assist, ~(1u << type));
    return std::int64_t{0};
}

namespace
{

Callback* callback_of(PvState& pv, std::uint16_t type)
{
    switch (type)
    {
    case CALLBACKTYPE_event: return &pv.event_callback;
    case CALLBACKTYPE_failsafe: return &pv.failsafe_callback;
    case CALLBACKTYPE_syscall: return &pv.syscall_callback;
    case CALLBACKTYPE_syscall32: return &pv.syscall32_callback;
    case CALLBACKTYPE_sysenter: return &pv.sysenter_callback;
    case CALLBACKTYPE_nmi: return &pv.nmi_callback;
    default: return nullptr;
    }
}

} // namespace

CallResult callback_op::register_(Caller& caller, abi::callback_register const& args)
{
    HV_REQUIRE(is_canonical(args.address), Errno::Inval);
    Callback* callback = callback_of(caller.vcpu().pv, args.type);
    HV_REQUIRE(callback != nullptr, Errno::NoSys);
    bool const always_masks = args.type == CALLBACKTYPE_event || args.type == CALLBACKTYPE_nmi;
    *callback = {args.address, always_masks || (args.flags & CALLBACKF_mask_events) != 0};
    return std::int64_t{0};
}

CallResult callback_op::unregister(Caller& caller, abi::callback_unregister const& args)
{
    HV_REQUIRE(args.type != CALLBACKTYPE_event && args.type != CALLBACKTYPE_failsafe &&
                   args.type != CALLBACKTYPE_syscall,
               Errno::Inval);
    Callback* callback = callback_of(caller.vcpu().pv, args.type);
    HV_REQUIRE(callback != nullptr, Errno::NoSys);
    *callback = {};
    return std::int64_t{0};
}

CallResult nmi_op::register_(Caller& caller, abi::xennmi_callback const& args)
{
    HV_REQUIRE(caller.vcpu().id() == VcpuId{0} && is_canonical(args.handler_address), Errno::Inval);
    caller.vcpu().pv.nmi_callback = {args.handler_address, true};
    return std::int64_t{0};
}

CallResult nmi_op::unregister(Caller& caller, std::uint64_t)
{
    caller.vcpu().pv.nmi_callback = {};
    return std::int64_t{0};
}

} // namespace hv::handlers
