// SPDX-License-Identifier: MIT
// mmuext_op: pinning, roots, flushes, the LDT, and page clearing and copying.
#include <hypercalls/handlers/mmu.hpp>
#include <hypercalls/handlers/mmu_flush.hpp>

#include <core/domain/loaded_cpus.hpp>
#include <core/domain/roots.hpp>
#include <core/mm/deferred.hpp>
#include <core/mm/pte.hpp>

namespace hv::handlers
{
namespace
{

struct ExtendedCall
{
    Caller& caller;
    Domain& subject; // whose tables: the caller's domain or the foreign one
    bool foreign;
    Budget& budget;
    bool flush_at_end = false;
};

Result<void> pin(ExtendedCall& call, Mfn frame, FrameType level)
{
    Domain& owner = call.subject;
    Guard guard(owner.mmu_lock);
    HV_REQUIRE(load_acquire(owner.life) < Life::Dying, Errno::Inval);
    HV_TRY_VOID(finish_deferred(owner, call.budget));
    FrameInfo* info = frame_info(frame);
    HV_REQUIRE(info != nullptr && info->owner() == owner.id() && !info->pinned(), Errno::Inval);
    auto const taken = get_table(owner, frame, level, call.budget);
    if (!taken)
        return taken.error() == Errno::Restart ? Errno::Restart : Errno::Inval;
    fetch_or(info->usage, FrameInfo::kPinned);
    return {};
}

Result<void> unpin(ExtendedCall& call, Mfn frame)
{
    Domain& owner = call.subject;
    Guard guard(owner.mmu_lock);
    HV_TRY_VOID(finish_deferred(owner, call.budget));
    FrameInfo* info = frame_info(frame);
    HV_REQUIRE(info != nullptr && info->owner() == owner.id() && info->pinned(), Errno::Inval);
    fetch_and(info->usage, ~FrameInfo::kPinned);
    auto const dropped = put_table(owner, frame, info->type(), call.budget);
    HV_ASSERT(dropped || dropped.error() == Errno::Restart); // the rest waits in the deferred slot: the unpin is done
    return {};
}

[[gnu::noinline]] Result<void> set_ldt(ExtendedCall& call, std::uint64_t base, std::uint64_t entries)
{
    HV_REQUIRE(entries <= 8192 && (entries == 0 || ((base & (kPageSize - 1)) == 0 && is_guest_address(base))),
               Errno::Inval);
    Guard guard(call.subject.mmu_lock);
    change_ldt(call.caller.vcpu(), base, static_cast<std::uint32_t>(entries));
    return {};
}

Result<void> clear_page(ExtendedCall& call, Mfn frame)
{
    HV_TRY_VOID(get_writable(frame, call.subject.id()));
    __builtin_memset(port::frame_data(frame), 0, kPageSize);
    put_writable(frame);
    call.budget.spend(16);
    return {};
}

Result<void> copy_page(ExtendedCall& call, Mfn destination, Mfn source)
{
    HV_REQUIRE(get_frame(source, call.subject.id()), Errno::Inval);
    FrameRef const held(source);
    HV_TRY_VOID(get_writable(destination, call.subject.id()));
    __builtin_memcpy(port::frame_data(destination), port::frame_data(source), kPageSize);
    put_writable(destination);
    call.budget.spend(32);
    return {};
}

void flush_own_page(std::uint64_t address)
{
    if (is_guest_address(address))
        port::flush_own_tlb(port::Flush::Page, GuestVirtual{address});
}

void flush_page(CpuMask cpus, std::uint64_t address)
{
    if (is_guest_address(address))
        port::flush_tlb(cpus, port::Flush::Page, GuestVirtual{address});
}

[[gnu::noinline]] Result<void> flush_domain(ExtendedCall& call, abi::mmuext_op const& op)
{
    CpuMask const cpus = loaded_cpus(call.subject);
    if (op.cmd == MMUEXT_TLB_FLUSH_ALL)
        port::flush_tlb(cpus, port::Flush::All);
    else
        flush_page(cpus, op.arg1.linear_addr);
    return {};
}

[[gnu::noinline]] Result<void> flush_vcpus(ExtendedCall& call, abi::mmuext_op const& op)
{
    std::uint64_t const bitmap = reinterpret_cast<std::uint64_t>(op.arg2.vcpumask.p);
    CpuMask const cpus = HV_TRY(cpus_of_vcpus(call.caller, bitmap));
    if (op.cmd == MMUEXT_TLB_FLUSH_MULTI)
        port::flush_tlb(cpus, port::Flush::All);
    else
        flush_page(cpus, op.arg1.linear_addr);
    return {};
}

// Whatever is wrong with a root, the caller hears Inval, as with pins.
Result<void> root_changed(Result<void> changed)
{
    return changed || changed.error() == Errno::Restart ? changed : Result<void>(Errno::Inval);
}

[[gnu::noinline]] Result<void> new_kernel_root(ExtendedCall& call, std::uint64_t frame)
{
    HV_REQUIRE(frame != kInvalidMfn.raw(), Errno::Inval); // not a guest's word for "none"
    return root_changed(change_kernel_root(call.caller.vcpu(), call.subject.resolve(GuestFrame{frame}), call.budget));
}

[[gnu::noinline]] Result<void> new_user_root(ExtendedCall& call, std::uint64_t frame)
{
    HV_REQUIRE(frame != kInvalidMfn.raw(), Errno::Inval);
    Mfn const root = frame == 0 ? kInvalidMfn : call.subject.resolve(GuestFrame{frame});
    HV_TRY_VOID(root_changed(change_user_root(call.caller.vcpu(), root, call.budget)));
    call.flush_at_end = true;
    return {};
}

[[gnu::noinline]] Result<void> write_back(ExtendedCall& call)
{
    HV_REQUIRE(call.subject.control || call.subject.io_memory != nullptr, Errno::Access);
    port::write_back_caches();
    return {};
}

// Operations on tables and pages, of the caller's domain or of a foreign one.
[[gnu::noinline]] Result<void> memory_operation(ExtendedCall& call, abi::mmuext_op const& op)
{
    Mfn const frame = call.subject.resolve(GuestFrame{op.arg1.mfn});
    switch (op.cmd)
    {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE: return pin(call, frame, static_cast<FrameType>(op.cmd - MMUEXT_PIN_L1_TABLE + 1));
    case MMUEXT_UNPIN_TABLE: return unpin(call, frame);
    case MMUEXT_CLEAR_PAGE: return clear_page(call, frame);
    case MMUEXT_COPY_PAGE: return copy_page(call, frame, call.subject.resolve(GuestFrame{op.arg2.src_mfn}));
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER: return Errno::OpNotSupp;
    default: return Errno::NoSys;
    }
}

// Those on the calling vCPU itself are not for another domain. All but the shortest are functions of their own, so that this
// one needs no registers saved.
Result<void> one_operation(ExtendedCall& call, abi::mmuext_op const& op)
{
    static_assert(MMUEXT_NEW_BASEPTR == 5 && MMUEXT_SET_LDT == 13 && MMUEXT_NEW_USER_BASEPTR == 15);
    bool const of_vcpu = (op.cmd >= MMUEXT_NEW_BASEPTR && op.cmd <= MMUEXT_SET_LDT) ||
                         op.cmd == MMUEXT_NEW_USER_BASEPTR || op.cmd == MMUEXT_FLUSH_CACHE_GLOBAL;
    HV_REQUIRE(!of_vcpu || !call.foreign, Errno::Perm);
    switch (op.cmd)
    {
    case MMUEXT_NEW_BASEPTR: return new_kernel_root(call, op.arg1.mfn);
    case MMUEXT_NEW_USER_BASEPTR: return new_user_root(call, op.arg1.mfn);
    case MMUEXT_TLB_FLUSH_LOCAL: port::flush_own_tlb(port::Flush::All); return {};
    case MMUEXT_INVLPG_LOCAL: flush_own_page(op.arg1.linear_addr); return {};
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_ALL: return flush_domain(call, op);
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI: return flush_vcpus(call, op);
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL: return write_back(call);
    case MMUEXT_SET_LDT: return set_ldt(call, op.arg1.linear_addr, op.arg2.nr_ents);
    default: return memory_operation(call, op);
    }
}

CallResult single_operation(Caller& caller, std::uint64_t address)
{
    abi::mmuext_op op;
    HV_REQUIRE(read_object(op, GuestVirtual{address}), Errno::Fault);
    Budget budget(kWorkBudget);
    ExtendedCall call{caller, caller.domain(), false, budget};
    auto const carried_out = one_operation(call, op);
    if (call.flush_at_end)
        port::flush_own_tlb(port::Flush::All);
    if (!carried_out) // Restart too: made again as it was
        return carried_out.error();
    return std::int64_t{0};
}

[[gnu::noinline]] CallResult list_of_operations(Caller& caller, std::uint64_t address, std::uint64_t count,
                                                std::uint64_t done, std::uint64_t foreign_domain)
{
    FrameOwner owner;
    HV_TRY_VOID(resolve_frame_owner(caller, foreign_domain, owner));
    HV_REQUIRE(!owner.foreign || owner.domain, Errno::Inval);
    BatchProgress progress(caller, address, count, done, sizeof(abi::mmuext_op));
    HV_TRY_VOID(progress.begin());
    Budget budget(kWorkBudget);
    ExtendedCall call{caller, owner.foreign ? *owner.domain : caller.domain(), owner.foreign, budget};
    GuestIn<abi::mmuext_op> const list(address);
    Errno error = Errno::None;
    FlushLimit const flushes;
    for (std::uint32_t i = 0; i < progress.count() && error == Errno::None; ++i)
    {
        if (budget.exhausted() || flushes.reached())
        {
            error = Errno::Restart;
            break;
        }
        auto const op = list.read(i);
        auto const carried_out = op ? one_operation(call, op.value()) : Result<void>(op.error());
        error = carried_out.error();
        if (carried_out)
            progress.advance();
        budget.spend(2);
    }
    if (call.flush_at_end)
        port::flush_own_tlb(port::Flush::All);
    return progress.finish(error);
}

} // namespace

CallResult mmuext_op(Caller& caller, std::uint64_t address, std::uint64_t count, std::uint64_t done,
                     std::uint64_t foreign_domain)
{
    if (is_single_request(count, done, foreign_domain)) [[likely]]
        return single_operation(caller, address);
    return list_of_operations(caller, address, count, done, foreign_domain);
}

} // namespace hv::handlers
