// SPDX-License-Identifier: MIT
// Whole contexts of vCPUs.
#include <core/domain/context.hpp>

#include <core/domain/roots.hpp>
#include <core/mm/deferred.hpp>
#include <core/policy/control_registers.hpp>
#include <core/policy/cpu_policy.hpp>
#include <core/policy/debug_registers.hpp>
#include <core/policy/descriptor.hpp>
#include <port/port.hpp>

#include <utility>

namespace hv
{
namespace
{

constexpr std::int32_t kContextTeardownBudget = 2048;
constexpr std::uint32_t kSettableAssists = (1u << (VMASST_TYPE_runstate_update_flag + 1)) - 1;

constexpr std::uint64_t kFlagsFixed = 1u << 1;
constexpr std::uint64_t kFlagsInterrupt = 1u << 9;
// IOPL, NT, RF, VM, VIF, VIP, AC stay out of what a context may set; AC comes and goes with the guest's own code.
constexpr std::uint64_t kFlagsAllowed = 0xcd5 | (1u << 8) | (1u << 18) | (1u << 21);

bool addresses_allowed(abi::vcpu_guest_context const& context)
{
    return is_canonical(context.event_callback_eip) && is_canonical(context.failsafe_callback_eip) &&
           is_canonical(context.syscall_callback_eip) && is_canonical(context.fs_base) &&
           is_canonical(context.gs_base_kernel) && is_canonical(context.gs_base_user) &&
           (context.ldt_ents == 0 || ((context.ldt_base & (kPageSize - 1)) == 0 && is_guest_address(context.ldt_base)));
}

Result<void> set_traps(PvState& pv, abi::vcpu_guest_context const& context)
{
    for (unsigned vector = 0; vector < 256; ++vector)
    {
        abi::trap_info const& from = context.trap_ctxt[vector];
        HV_REQUIRE(is_canonical(from.address), Errno::Inval);
        pv.traps[vector] = from;
        pv.traps[vector].vector = static_cast<std::uint8_t>(vector);
        pv.traps[vector].cs = policy::fix_selector(from.cs);
    }
    return {};
}

void set_registers(PvState& pv, abi::vcpu_guest_context const& context)
{
    pv.regs = context.user_regs;
    pv.regs.cs = policy::fix_selector(context.user_regs.cs);
    pv.regs.ss = policy::fix_selector(context.user_regs.ss);
    pv.regs.ds = policy::fix_data_selector(context.user_regs.ds);
    pv.regs.es = policy::fix_data_selector(context.user_regs.es);
    pv.regs.fs = policy::fix_data_selector(context.user_regs.fs);
    pv.regs.gs = policy::fix_data_selector(context.user_regs.gs);
    pv.regs.rflags = (context.user_regs.rflags & kFlagsAllowed) | kFlagsFixed | kFlagsInterrupt;
    pv.iopl = static_cast<std::uint8_t>(context.user_regs.rflags >> 12 & 3); // Linux starts its other CPUs with IOPL 1
    pv.regs.error_code = 0;
    pv.regs.entry_vector = 0;
    pv.in_kernel = (context.flags & VGCF_in_kernel) != 0;
}

void set_callbacks(PvState& pv, abi::vcpu_guest_context const& context)
{
    pv.kernel_sp = context.kernel_sp;
    pv.kernel_ss = policy::fix_selector(static_cast<std::uint16_t>(context.kernel_ss));
    pv.event_callback = {context.event_callback_eip, true};
    pv.failsafe_callback = {context.failsafe_callback_eip, (context.flags & VGCF_failsafe_disables_events) != 0};
    pv.syscall_callback = {context.syscall_callback_eip, (context.flags & VGCF_syscall_disables_events) != 0};
    pv.fs_base = context.fs_base;
    pv.gs_base_kernel = context.gs_base_kernel;
    pv.gs_base_user = context.gs_base_user;
}

// `root` refers to `wanted` (kInvalidMfn = none) instead of what it refers to now. Restart may come after the change, while
// the old tables are still being taken apart.
Result<void> take_root(Domain& domain, Mfn& root, Mfn wanted, Budget& budget)
{
    if (root == wanted)
        return {};
    if (wanted != kInvalidMfn)
        HV_TRY_VOID(get_table(domain, wanted, FrameType::L4, budget));
    Mfn const old = std::exchange(root, wanted);
    if (old == kInvalidMfn)
        return {};
    return put_table(domain, old, FrameType::L4, budget);
}

// The roots, in an order that a restarted call can repeat: a root that is set already is not taken again. The caller may
// come back with another context, so a root of the earlier attempt is given up.
Result<void> take_roots(Vcpu& vcpu, abi::vcpu_guest_context const& context, Budget& budget)
{
    Domain& domain = vcpu.domain();
    HV_TRY_VOID(finish_deferred(domain, budget));
    Mfn const kernel = domain.resolve(GuestFrame{context.ctrlreg[3] >> kPageShift});
    HV_TRY_VOID(take_root(domain, vcpu.pv.kernel_root, kernel, budget));
    prepare_kernel_root(kernel);
    Mfn const user =
        context.ctrlreg[1] == 0 ? kInvalidMfn : domain.resolve(GuestFrame{context.ctrlreg[1] >> kPageShift});
    return take_root(domain, vcpu.pv.user_root, user, budget);
}

Result<void> take_gdt(Vcpu& vcpu, abi::vcpu_guest_context const& context)
{
    HV_REQUIRE(context.gdt_ents <= FIRST_RESERVED_GDT_ENTRY, Errno::Inval);
    unsigned const count = static_cast<unsigned>((context.gdt_ents + 511) / 512);
    Mfn frames[14];
    for (unsigned i = 0; i < count; ++i)
        frames[i] = vcpu.domain().resolve(GuestFrame{context.gdt_frames[i]});
    return change_gdt(vcpu, frames, count, static_cast<std::uint32_t>(context.gdt_ents));
}

Result<void> take_tables(Vcpu& vcpu, abi::vcpu_guest_context const& context, Budget& budget)
{
    Guard guard(vcpu.domain().mmu_lock);
    HV_REQUIRE(load_acquire(vcpu.domain().life) < Life::Dying, Errno::Inval);
    HV_TRY_VOID(take_roots(vcpu, context, budget));
    HV_TRY_VOID(take_gdt(vcpu, context));
    change_ldt(vcpu, context.ldt_base, static_cast<std::uint32_t>(context.ldt_ents));
    return {};
}

void drop_after_failure(Vcpu& vcpu)
{
    // Bounded: what a context brings in is two roots; a long teardown waits in the deferred slots.
    Budget budget(kContextTeardownBudget);
    Guard guard(vcpu.domain().mmu_lock);
    (void)drop_vcpu_tables(vcpu, budget).error();
}

} // namespace

Result<void> set_vcpu_context(Vcpu& vcpu, abi::vcpu_guest_context const& context, Budget& budget)
{
    HV_REQUIRE(addresses_allowed(context) && context.ldt_ents <= 8192, Errno::Inval);
    // A vCPU in user mode needs tables to run on there.
    HV_REQUIRE((context.flags & VGCF_in_kernel) != 0 || context.ctrlreg[1] != 0, Errno::Inval);
    Guard const guard(vcpu.domain().context_lock);
    HV_REQUIRE(!vcpu.initialised, Errno::Exist);
    HV_REQUIRE(vcpu.id().raw() < 32 || vcpu.info_frame != kInvalidMfn, Errno::Inval);
    HV_TRY_VOID(set_traps(vcpu.pv, context));
    if (auto const taken = take_tables(vcpu, context, budget); !taken)
    {
        if (taken.error() == Errno::Restart)
            return Errno::Restart;
        drop_after_failure(vcpu);
        return Errno::Inval;
    }
    set_registers(vcpu.pv, context);
    set_callbacks(vcpu.pv, context);
    vcpu.pv.cr4 = policy::effective_cr4(context.ctrlreg[4], vcpu.domain().policy->cr4_features());
    vcpu.pv.fpu_task_switched = (context.ctrlreg[0] & policy::kCr0TaskSwitched) != 0;
    for (unsigned number = 0; number < 8; ++number)
        if (number != 4 && number != 5 && context.debugreg[number] != 0)
            (void)policy::set_debug_register(vcpu, number, context.debugreg[number])
                .error(); // refused ones stay at reset
    if ((context.flags & VGCF_I387_VALID) != 0)
        port::set_fpu(vcpu, reinterpret_cast<std::byte const*>(&context.fpu_ctxt), sizeof(context.fpu_ctxt));
    vcpu.domain().vm_assist |= static_cast<std::uint32_t>(context.vm_assist) & kSettableAssists;
    // The tools have cleared shared_info since the clocks were written there: both are due again.
    vcpu.time.info_generation = 0;
    vcpu.domain().wallclock_generation = 0;
    store_release(vcpu.initialised, true);
    return {};
}

Result<void> update_vcpu_registers(Vcpu& vcpu, abi::vcpu_guest_context const& context)
{
    PvState& pv = vcpu.pv;
    HV_REQUIRE(addresses_allowed(context), Errno::Inval);
    HV_REQUIRE((context.flags & VGCF_in_kernel) != 0 || pv.user_root != kInvalidMfn, Errno::Inval);
    bool const same = context.ctrlreg[3] >> kPageShift == vcpu.domain().expose(pv.kernel_root).raw() &&
                      context.gdt_ents == pv.gdt_entries && context.ldt_base == pv.ldt_base &&
                      context.ldt_ents == pv.ldt_entries;
    HV_REQUIRE(same, Errno::OpNotSupp);
    HV_TRY_VOID(set_traps(pv, context));
    set_registers(pv, context);
    set_callbacks(pv, context);
    return {};
}

void get_vcpu_context(Vcpu const& vcpu, abi::vcpu_guest_context& context)
{
    PvState const& pv = vcpu.pv;
    Domain const& domain = vcpu.domain();
    __builtin_memset(&context, 0, sizeof(context));
    port::get_fpu(vcpu, reinterpret_cast<std::byte*>(&context.fpu_ctxt), sizeof(context.fpu_ctxt));
    context.flags = VGCF_I387_VALID | (pv.in_kernel ? VGCF_in_kernel : 0) |
                    ((load_relaxed(vcpu.sched.stop) & stop::kDown) == 0 ? VGCF_online : 0) |
                    (pv.failsafe_callback.mask_events ? VGCF_failsafe_disables_events : 0) |
                    (pv.syscall_callback.mask_events ? VGCF_syscall_disables_events : 0);
    context.user_regs = pv.regs;
    context.user_regs.rflags |= static_cast<std::uint64_t>(pv.iopl) << 12;
    context.user_regs.saved_upcall_mask = vcpu.info->evtchn_upcall_mask;
    __builtin_memcpy(context.trap_ctxt, pv.traps, sizeof(context.trap_ctxt));
    context.ldt_base = pv.ldt_base;
    context.ldt_ents = pv.ldt_entries;
    for (unsigned i = 0; i < (pv.gdt_entries + 511) / 512; ++i)
        context.gdt_frames[i] = domain.expose(pv.gdt_frames[i]).raw();
    context.gdt_ents = pv.gdt_entries;
    context.kernel_ss = pv.kernel_ss;
    context.kernel_sp = pv.kernel_sp;
    context.ctrlreg[0] = pv.fpu_task_switched ? policy::kCr0TaskSwitched : 0;
    context.ctrlreg[1] = pv.user_root == kInvalidMfn ? 0 : domain.expose(pv.user_root).raw() << kPageShift;
    context.ctrlreg[3] = pv.kernel_root == kInvalidMfn ? 0 : domain.expose(pv.kernel_root).raw() << kPageShift;
    context.ctrlreg[4] = pv.cr4;
    for (unsigned i = 0; i < 4; ++i)
        context.debugreg[i] = pv.debug_address[i];
    context.debugreg[6] = pv.dr6;
    context.debugreg[7] = pv.dr7;
    context.event_callback_eip = pv.event_callback.address;
    context.failsafe_callback_eip = pv.failsafe_callback.address;
    context.syscall_callback_eip = pv.syscall_callback.address;
    context.vm_assist = domain.vm_assist;
    context.fs_base = pv.fs_base;
    context.gs_base_kernel = pv.gs_base_kernel;
    context.gs_base_user = pv.gs_base_user;
}

Result<void> reset_vcpu(Vcpu& vcpu, Budget& budget)
{
    port::unload_domain(vcpu.domain()); // an idle CPU may still stand on its tables
    vcpu.initialised = false;
    {
        Guard guard(vcpu.domain().mmu_lock);
        HV_TRY_VOID(drop_vcpu_tables(vcpu, budget));
    }
    abi::trap_info* const traps = vcpu.pv.traps;
    std::byte* const fpu = vcpu.pv.fpu;
    vcpu.pv = PvState{};
    for (Mfn& frame : vcpu.pv.gdt_frames)
        frame = kInvalidMfn;
    vcpu.pv.traps = traps;
    vcpu.pv.fpu = fpu;
    __builtin_memset(traps, 0, 256 * sizeof(abi::trap_info));
    port::reset_fpu(vcpu);
    return {};
}

} // namespace hv
