// SPDX-License-Identifier: MIT
// Grant mappings in page tables.
#include <core/mm/grant_pte.hpp>

#include <core/mm/page_table.hpp>
#include <core/mm/pte.hpp>

namespace hv
{
namespace
{

// mmu_lock of `mapper` held.
Result<LeafSlot> find_slot(Domain& mapper, Vcpu const& vcpu, GrantSlot slot)
{
    if (!slot.contains_pte)
        return find_leaf(vcpu.pv.kernel_root, slot.address);
    HV_REQUIRE((slot.address & 7) == 0, Errno::Inval);
    Mfn const table = mapper.resolve(GuestFrame{slot.address >> kPageShift});
    FrameInfo const* info = frame_info(table);
    HV_REQUIRE(info != nullptr && info->owner() == mapper.id() && info->type() == FrameType::L1 && info->validated() &&
                   info->type_count() != 0,
               Errno::Inval);
    unsigned const index = static_cast<unsigned>(slot.address & (kPageSize - 1)) / 8;
    return LeafSlot{table, index, load_relaxed(table_entries(table)[index])};
}

bool is_mapping_of(std::uint64_t entry, Mfn frame, bool read_only)
{
    return (entry & pte::kPresent) != 0 && (entry & pte::kGrant) != 0 && pte::frame(entry) == frame &&
           ((entry & pte::kWritable) == 0) == read_only;
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
    LeafSlot const leaf = HV_TRY(find_slot(mapper, vcpu, slot));
    exchange_leaf_raw(mapper, leaf.table, leaf.index, as_grant_entry(entry));
    return {};
}

Result<void> remove_grant_mapping(Domain& mapper, Vcpu const& vcpu, GrantSlot slot, Mfn frame, bool read_only,
                                  std::optional<std::uint64_t> replacement)
{
    Guard guard(mapper.mmu_lock);
    LeafSlot const leaf = HV_TRY(find_slot(mapper, vcpu, slot));
    HV_REQUIRE(is_mapping_of(leaf.entry, frame, read_only), Errno::Inval);
    exchange_leaf_raw(mapper, leaf.table, leaf.index, replacement.value_or(0));
    return {};
}

Result<void> replace_grant_mapping(Domain& mapper, Vcpu const& vcpu, GrantSlot slot, Mfn frame, bool read_only,
                                   std::uint64_t source)
{
    Guard guard(mapper.mmu_lock);
    LeafSlot const leaf = HV_TRY(find_slot(mapper, vcpu, slot));
    HV_REQUIRE(is_mapping_of(leaf.entry, frame, read_only), Errno::Inval);
    LeafSlot const from = HV_TRY(find_slot(mapper, vcpu, GrantSlot{source, slot.contains_pte}));
    HV_REQUIRE(from.table != leaf.table || from.index != leaf.index, Errno::Inval);
    // The entry moves with whatever it owns: no reference changes.
    std::uint64_t const moved = exchange(table_entries(from.table)[from.index], std::uint64_t{0});
    exchange_leaf_raw(mapper, leaf.table, leaf.index, moved);
    return {};
}

} // namespace hv
