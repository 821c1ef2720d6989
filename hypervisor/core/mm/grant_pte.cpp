// SPDX-License-Identifier: MIT
// Grant mappings in page tables.
#include <core/mm/grant_pte.hpp>

#include <core/mm/page_table.hpp>
#include <core/mm/pte.hpp>

namespace hv
{
namespace
{

// The entry at a machine address that a guest names. mmu_lock of `mapper` held.
[[gnu::noinline]] Result<std::uint64_t*> entry_at(Domain const& mapper, std::uint64_t address)
{
    HV_REQUIRE((address & 7) == 0, Errno::Inval);
    Mfn const table = mapper.resolve(GuestFrame{address >> kPageShift});
    FrameInfo const* info = frame_info(table);
    HV_REQUIRE(info != nullptr && info->owner() == mapper.id() && info->type() == FrameType::L1 && info->validated() &&
                   info->type_count() != 0,
               Errno::Inval);
    return &table_entries(table)[(address & (kPageSize - 1)) / 8];
}

// mmu_lock of `mapper` held.
[[gnu::always_inline]] inline Result<std::uint64_t*> find_slot(Domain const& mapper, Vcpu const& vcpu, GrantSlot slot)
{
    if (slot.contains_pte) [[unlikely]]
        return entry_at(mapper, slot.address);
    LeafSlot const leaf = HV_TRY(find_leaf(vcpu.pv.kernel_root, slot.address));
    return &table_entries(leaf.table)[leaf.index];
}

bool is_mapping_of(std::uint64_t entry, Mfn frame, bool read_only)
{
    return (entry & (pte::kPresent | pte::kGrant | pte::kAddress | pte::kWritable)) ==
           (pte::kPresent | pte::kGrant | to_address(frame).raw() | (read_only ? 0 : pte::kWritable));
}

std::uint64_t as_grant_entry(std::uint64_t entry)
{
    entry |= pte::kGrant;
    if ((entry & pte::kUser) == 0)
        return (entry | pte::kUser | pte::kGuestKernel) & ~pte::kGlobal;
    return entry | pte::kGlobal;
}

} // namespace

Result<void> install_grant_mapping(Domain& mapper, Vcpu const& vcpu, GrantSlot slot, std::uint64_t entry)
{
    Guard guard(mapper.mmu_lock);
    std::uint64_t* const place = HV_TRY(find_slot(mapper, vcpu, slot));
    exchange_leaf_raw(mapper, *place, as_grant_entry(entry));
    return {};
}

Result<void> remove_grant_mapping(Domain& mapper, Vcpu const& vcpu, GrantSlot slot, Mfn frame, bool read_only)
{
    Guard guard(mapper.mmu_lock);
    std::uint64_t* const place = HV_TRY(find_slot(mapper, vcpu, slot));
    HV_REQUIRE(is_mapping_of(load_relaxed(*place), frame, read_only), Errno::Inval);
    exchange(*place, std::uint64_t{0}); // what goes owns no reference
    return {};
}

Result<void> replace_grant_mapping(Domain& mapper, Vcpu const& vcpu, GrantSlot slot, Mfn frame, bool read_only,
                                   std::uint64_t source)
{
    Guard guard(mapper.mmu_lock);
    std::uint64_t* const place = HV_TRY(find_slot(mapper, vcpu, slot));
    HV_REQUIRE(is_mapping_of(load_relaxed(*place), frame, read_only), Errno::Inval);
    std::uint64_t* const from = HV_TRY(find_slot(mapper, vcpu, GrantSlot{source, slot.contains_pte}));
    HV_REQUIRE(from != place, Errno::Inval);
    // The entry moves with whatever it owns: no reference changes.
    exchange_leaf_raw(mapper, *place, exchange(*from, std::uint64_t{0}));
    return {};
}

} // namespace hv
