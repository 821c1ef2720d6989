// SPDX-License-Identifier: MIT
// mmu_update and update_va_mapping: single entries of page tables, and the machine-to-phys table.
#include <hypercalls/handlers/mmu.hpp>
#include <hypercalls/handlers/mmu_flush.hpp>

#include <core/mm/pte.hpp>

namespace hv::handlers
{
namespace
{

// A store to a frame that is plain memory of the table owner: eight bytes, no meaning for us.
Result<void> store_plain(Domain& owner, Mfn frame, std::uint64_t offset, std::uint64_t value)
{
    HV_TRY_VOID(get_writable(frame, owner.id()));
    store_relaxed(table_entries(frame)[offset / 8], value);
    put_writable(frame);
    return {};
}

Result<void> update_table(MappingRights const& rights, std::uint64_t address, std::uint64_t value, UpdateKind kind,
                          Budget& budget)
{
    Domain& owner = rights.table_owner;
    Mfn const frame = owner.resolve(GuestFrame{address >> kPageShift});
    FrameInfo const* info = frame_info(frame);
    HV_REQUIRE(info != nullptr && info->owner() == owner.id(), Errno::Inval);
    std::uint64_t const offset = address & (kPageSize - 1) & ~7ull;
    FrameType const type = info->type();
    if (type >= FrameType::L1 && type <= FrameType::L4 && info->validated())
        return update_entry(rights, frame, type, static_cast<unsigned>(offset / 8), value, kind, budget);
    HV_REQUIRE(type != FrameType::Descriptor || info->type_count() == 0, Errno::Inval);
    return store_plain(owner, frame, offset, value);
}

Result<void> update_machphys(FrameOwner const& owner, std::uint64_t frame_number, std::uint64_t pfn)
{
    Mfn const frame{frame_number};
    HV_REQUIRE(get_frame(frame, owner.id), Errno::Inval);
    store_relaxed(port::m2p()[frame.raw()], pfn);
    put_frame(frame);
    return {};
}

constexpr std::uint64_t kCommandMask = 7; // an entry's address has these bits 0

Result<void> one_update(MappingRights const& rights, FrameOwner const& owner, abi::mmu_update const& request,
                        Budget& budget)
{
    switch (request.ptr & kCommandMask)
    {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_NO_TRANSLATE:
        return update_table(rights, request.ptr & ~kCommandMask, request.val, UpdateKind::Normal, budget);
    case MMU_PT_UPDATE_PRESERVE_AD:
        return update_table(rights, request.ptr & ~kCommandMask, request.val, UpdateKind::PreserveAccessedDirty,
                            budget);
    case MMU_MACHPHYS_UPDATE: return update_machphys(owner, request.ptr >> kPageShift, request.val);
    default: return Errno::NoSys;
    }
}

constexpr std::uint32_t kChunk = 32; // requests copied at a time

} // namespace

CallResult mmu_update(Caller& caller)
{
    FrameOwner owner;
    HV_TRY_VOID(resolve_frame_owner(caller, static_cast<std::uint32_t>(caller.args.value[3]), owner));
    HV_REQUIRE((caller.args.value[3] >> 16 & 0xffff) == 0, Errno::Perm); // tables of another domain: by mapping them
    BatchProgress progress(caller, sizeof(abi::mmu_update));
    HV_TRY_VOID(progress.begin());
    GuestIn<abi::mmu_update> const list(caller.args.value[0]);
    MappingRights const rights{caller.domain(), owner.id, owner.foreign};
    Budget budget(kWorkBudget);
    for (std::uint32_t first = 0; first < progress.count(); first += kChunk)
    {
        abi::mmu_update requests[kChunk];
        std::uint32_t const wanted = progress.count() - first < kChunk ? progress.count() - first : kChunk;
        if (!list.read_array(requests, first, wanted))
            return progress.finish(Errno::Fault);
        Guard guard(caller.domain().mmu_lock);
        if (auto const ready = finish_deferred(caller.domain(), budget); !ready)
            return progress.finish(ready.error());
        for (std::uint32_t i = 0; i < wanted; ++i)
        {
            if (budget.exhausted())
                return progress.finish(Errno::Restart);
            budget.spend(1);
            if (auto const done = one_update(rights, owner, requests[i], budget); !done)
                return progress.finish(done.error());
            progress.advance();
        }
    }
    return progress.finish(Errno::None);
}

namespace
{

CallResult update_mapping(Caller& caller, FrameOwner const& owner)
{
    Domain& domain = caller.domain();
    std::uint64_t const address = caller.args.value[0];
    std::uint64_t const flags = caller.args.value[2];
    {
        Budget budget(kWorkBudget);
        Guard guard(domain.mmu_lock);
        HV_TRY_VOID(finish_deferred(domain, budget));
        LeafSlot const slot = HV_TRY(find_leaf(caller.vcpu().pv.kernel_root, address));
        MappingRights const rights{domain, owner.id, owner.foreign};
        HV_TRY_VOID(update_entry(rights, slot.table, FrameType::L1, slot.index, caller.args.value[1],
                                 UpdateKind::Normal, budget));
    }
    HV_TRY_VOID(flush_for_mapping(caller, address, flags));
    return std::int64_t{0};
}

} // namespace

CallResult update_va_mapping(Caller& caller)
{
    FrameOwner owner;
    owner.id = caller.domain().id();
    return update_mapping(caller, owner);
}

CallResult update_va_mapping_otherdomain(Caller& caller)
{
    FrameOwner owner;
    HV_TRY_VOID(resolve_frame_owner(caller, static_cast<std::uint32_t>(caller.args.value[3]), owner));
    return update_mapping(caller, owner);
}

} // namespace hv::handlers
