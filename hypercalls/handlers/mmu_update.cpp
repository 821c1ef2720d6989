// SPDX-License-Identifier: MIT
// mmu_update and update_va_mapping: single entries of page tables, and the machine-to-phys table.
#include <hypercalls/handlers/mmu.hpp>
#include <hypercalls/handlers/mmu_flush.hpp>

#include <core/mm/deferred.hpp>
#include <core/mm/leaf.hpp>
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

// The L1 table of the last request: lists mostly stay in one. It remains a validated L1 of the domain while mmu_lock is held
// and no higher table changes.
struct LastTable
{
    std::uint64_t frame = ~0ull; // as the guest names it
    std::uint64_t* entries = nullptr;
};

// The usual case of a table that is not the last one: an L1 of the caller's own.
inline bool find_leaf_table(MappingRights const& rights, std::uint64_t name, LastTable& last)
{
    Mfn const frame = rights.table_owner.resolve(GuestFrame{name});
    FrameInfo const* const info = frame_record(frame);
    if (info == nullptr || info->owner() != rights.table_owner.id() || info->type() != FrameType::L1 ||
        !info->validated() || rights.foreign)
        return false;
    last = {name, table_entries(frame)};
    return true;
}

[[gnu::noinline]] Result<void> update_table(MappingRights const& rights, std::uint64_t address, std::uint64_t value,
                                            UpdateKind kind, Budget& budget)
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

Result<void> update_machphys(DomainId owner, std::uint64_t frame_number, std::uint64_t pfn)
{
    Mfn const frame{frame_number};
    HV_REQUIRE(get_frame(frame, owner), Errno::Inval);
    store_relaxed(port::m2p()[frame.raw()], pfn);
    put_frame(frame);
    return {};
}

constexpr std::uint64_t kCommandMask = 7; // an entry's address has these bits 0

[[gnu::noinline]] Result<void> any_update(MappingRights const& rights, abi::mmu_update const& request, Budget& budget,
                                          LastTable& last)
{
    last = {}; // a higher table may change
    switch (request.ptr & kCommandMask)
    {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_NO_TRANSLATE:
        return update_table(rights, request.ptr & ~kCommandMask, request.val, UpdateKind::Normal, budget);
    case MMU_PT_UPDATE_PRESERVE_AD:
        return update_table(rights, request.ptr & ~kCommandMask, request.val, UpdateKind::PreserveAccessedDirty,
                            budget);
    case MMU_MACHPHYS_UPDATE: return update_machphys(rights.frame_owner, request.ptr >> kPageShift, request.val);
    default: return Errno::NoSys;
    }
}

static_assert(MMU_NORMAL_PT_UPDATE == 0 && MMU_PT_UPDATE_PRESERVE_AD == 2);
inline bool changes_an_entry(abi::mmu_update const& request)
{
    return (request.ptr & kCommandMask & ~2ull) == 0;
}

// Of a table that is known to be a validated L1 of the caller's, which find_leaf_table() says only if the rights are not foreign.
[[gnu::always_inline]] inline Result<void> update_leaf(MappingRights const& rights, LastTable const& table,
                                                       abi::mmu_update const& request)
{
    if (table.entries == nullptr)
        __builtin_unreachable(); // no request names the frame that stands for none
    std::uint64_t& entry = table.entries[(request.ptr & (kPageSize - 1)) / 8];
    UpdateKind const kind = (request.ptr & kCommandMask) == 0 ? UpdateKind::Normal : UpdateKind::PreserveAccessedDirty;
    return leaf::update_own(rights, entry, load_relaxed(entry), request.val, kind);
}

// The same table and a change in place: what kernels send lists of.
[[gnu::always_inline]] inline Result<void> one_update(MappingRights const& rights, abi::mmu_update const& request,
                                                      Budget& budget, LastTable& last)
{
    std::uint64_t const frame = request.ptr >> kPageShift;
    if (changes_an_entry(request) && (frame == last.frame || find_leaf_table(rights, frame, last))) [[likely]]
        return update_leaf(rights, last, request);
    return any_update(rights, request, budget, last);
}

// Restart makes it again as it was.
CallResult single_update(Caller& caller, std::uint64_t address)
{
    abi::mmu_update request;
    HV_REQUIRE(read_object(request, GuestVirtual{address}), Errno::Fault);
    Domain& domain = caller.domain();
    Budget budget(kWorkBudget);
    Guard guard(domain.mmu_lock);
    HV_TRY_VOID(finish_deferred(domain, budget));
    MappingRights const rights{domain, domain.id(), false};
    LastTable table;
    HV_TRY_VOID(changes_an_entry(request) && find_leaf_table(rights, request.ptr >> kPageShift, table)
                    ? update_leaf(rights, table, request)
                    : any_update(rights, request, budget, table));
    return std::int64_t{0};
}

constexpr std::uint32_t kChunk = 32; // requests copied at a time

[[gnu::noinline]] CallResult list_of_updates(Caller& caller, std::uint64_t address, std::uint64_t count,
                                             std::uint64_t done, std::uint64_t foreign_domain)
{
    FrameOwner owner;
    HV_TRY_VOID(resolve_frame_owner(caller, foreign_domain, owner));
    HV_REQUIRE((foreign_domain >> 16 & 0xffff) == 0, Errno::Perm); // tables of another domain: by mapping them
    BatchProgress progress(caller, address, count, done, sizeof(abi::mmu_update));
    HV_TRY_VOID(progress.begin());
    GuestIn<abi::mmu_update> const list(address);
    MappingRights const rights{caller.domain(), owner.id, owner.foreign};
    Budget budget(kWorkBudget);
    FlushLimit const flushes;
    for (std::uint32_t first = 0; first < progress.count(); first += kChunk)
    {
        if (flushes.reached())
            return progress.finish(Errno::Restart);
        abi::mmu_update requests[kChunk];
        std::uint32_t const wanted = progress.count() - first < kChunk ? progress.count() - first : kChunk;
        if (!list.read_array(requests, first, wanted))
            return progress.finish(Errno::Fault);
        Guard guard(caller.domain().mmu_lock);
        if (auto const ready = finish_deferred(caller.domain(), budget); !ready)
            return progress.finish(ready.error());
        LastTable last;
        for (std::uint32_t i = 0; i < wanted; ++i)
        {
            if (budget.exhausted())
                return progress.finish(Errno::Restart);
            budget.spend(1);
            if (auto const updated = one_update(rights, requests[i], budget, last); !updated)
                return progress.finish(updated.error());
            progress.advance();
        }
    }
    return progress.finish(Errno::None);
}

template<auto kUpdate>
[[gnu::always_inline]] inline CallResult update_mapping(Caller& caller, MappingRights const& rights,
                                                        std::uint64_t address, std::uint64_t entry, std::uint64_t flags)
{
    Domain& domain = rights.table_owner;
    {
        Budget budget(kWorkBudget);
        Guard guard(domain.mmu_lock);
        HV_TRY_VOID(finish_deferred(domain, budget));
        LeafSlot const slot = HV_TRY(find_leaf(caller.vcpu().pv.kernel_root, address));
        std::uint64_t& present = table_entries(slot.table)[slot.index];
        HV_TRY_VOID(kUpdate(rights, present, slot.entry, entry, UpdateKind::Normal));
    }
    HV_TRY_VOID(flush_for_mapping(caller, address, flags));
    return std::int64_t{0};
}

} // namespace

CallResult mmu_update(Caller& caller, std::uint64_t address, std::uint64_t count, std::uint64_t done,
                      std::uint64_t foreign_domain)
{
    if (is_single_request(count, done, foreign_domain)) [[likely]]
        return single_update(caller, address);
    return list_of_updates(caller, address, count, done, foreign_domain);
}

CallResult update_va_mapping(Caller& caller, std::uint64_t address, std::uint64_t entry, std::uint64_t flags)
{
    Domain& domain = caller.domain();
    return update_mapping<leaf::update_own>(caller, MappingRights{domain, domain.id(), false}, address, entry, flags);
}

CallResult update_va_mapping_otherdomain(Caller& caller, std::uint64_t address, std::uint64_t entry,
                                         std::uint64_t flags, std::uint64_t foreign_domain)
{
    FrameOwner owner;
    HV_TRY_VOID(resolve_frame_owner(caller, foreign_domain, owner));
    MappingRights const rights{caller.domain(), owner.id, owner.foreign};
    return update_mapping<leaf::update>(caller, rights, address, entry, flags);
}

} // namespace hv::handlers
