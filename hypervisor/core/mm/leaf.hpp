// SPDX-License-Identifier: MIT
// The door (page_table.hpp) for leaf entries. Changes that need no new reference of a frame are inline: they are what kernels
// do most, in long lists.
#pragma once

#include <core/mm/frame_counts.hpp>
#include <core/mm/page_table.hpp>
#include <core/mm/pte.hpp>

namespace hv::leaf
{

inline constexpr std::uint64_t kTableAllowed = pte::kPresent | pte::kWritable | pte::kUser | pte::kAccessed |
                                               pte::kDirty | pte::kAvailable | pte::kAvailableHigh | pte::kNoExecute |
                                               pte::kAddress;
inline constexpr std::uint64_t kLeafAllowed = kTableAllowed | pte::kGlobal;

// Everything runs at CPL 3, so every leaf needs U. A page the guest keeps from its user mode is marked and never
// global; a user page is global, so that it survives the switch between kernel and user root.
inline std::uint64_t with_privilege_bits(std::uint64_t value)
{
    if ((value & pte::kUser) == 0 || (value & pte::kGuestKernel) != 0)
        return (value | pte::kUser | pte::kGuestKernel) & ~pte::kGlobal;
    return value | pte::kGlobal;
}

// Replaces the entry by `value` (references already taken) and returns the old one. Hardware may set A and D meanwhile,
// so the old value is taken by an atomic exchange, or merged in by compare-exchange.
inline std::uint64_t store_entry(std::uint64_t& entry, std::uint64_t value, UpdateKind kind)
{
    if (kind == UpdateKind::Normal)
        return exchange(entry, value);
    std::uint64_t seen = load_relaxed(entry);
    while (!compare_exchange(entry, seen, value | (seen & (pte::kAccessed | pte::kDirty))))
    {
    }
    return seen;
}

// Same frame, same rights to write: no reference changes, whatever the other flags do.
inline bool keeps_references(std::uint64_t old_value, std::uint64_t value)
{
    return ((old_value ^ value) & (pte::kPresent | pte::kWritable | pte::kAddress | pte::kCacheBits | pte::kGrant)) ==
               0 &&
           (value & pte::kPresent) != 0;
}

// A leaf that goes on mapping the same RAM frame of the same owner and only gains or loses the right to write: the record
// of that frame, else nullptr. Its general reference stays; the writable use comes or goes.
inline FrameInfo* frame_of_changed_right(MappingRights const& rights, std::uint64_t old_value, std::uint64_t value)
{
    constexpr std::uint64_t kWhole = pte::kPresent | pte::kAddress | pte::kCacheBits | pte::kGrant;
    if (((old_value ^ value) & (kWhole | pte::kWritable)) != pte::kWritable ||
        (value & (pte::kPresent | pte::kGrant)) != pte::kPresent)
        return nullptr;
    FrameInfo* const info = frame_record(pte::frame(value));
    return info != nullptr && info->owner() == rights.frame_owner && rights.frame_owner != kDomainXen ? info : nullptr;
}

// Changes a leaf without touching the general reference of its frame. NoData: this change is not of that kind.
[[gnu::always_inline]] inline Result<void> update_in_place(MappingRights const& rights, std::uint64_t& entry,
                                                           std::uint64_t old_value, std::uint64_t value,
                                                           UpdateKind kind)
{
    HV_REQUIRE((value & ~(kLeafAllowed | pte::kCacheBits)) == 0, Errno::NoData);
    if (keeps_references(old_value, value))
    {
        store_entry(entry, with_privilege_bits(value), kind);
        return {};
    }
    FrameInfo* const info = frame_of_changed_right(rights, old_value, value);
    HV_REQUIRE(info != nullptr, Errno::NoData);
    if ((value & pte::kWritable) != 0)
    {
        HV_REQUIRE(add_writable_use(*info), Errno::Busy);
        store_entry(entry, with_privilege_bits(value), kind);
        return {};
    }
    store_entry(entry, with_privilege_bits(value), kind);
    drop_writable_use(*info);
    return {};
}

// Any change of a leaf, with new references. Errors as update_entry().
Result<void> replace(MappingRights const& rights, std::uint64_t& entry, std::uint64_t value, UpdateKind kind);

// Takes the references of entries [first, 512) of an L1 that is being validated, and stores what they become. Returns the
// entry at which it stopped, with `failed`: None behind the last one, Restart, or what is wrong with it.
unsigned take_all(Domain& owner, std::uint64_t* entries, unsigned first, Budget& budget, Errno& failed);
// Drops those of entries [0, end) from the top; how many are left when the budget ran out, else 0.
unsigned drop_all(std::uint64_t const* entries, unsigned end, Budget& budget);

// The whole of update_entry() for an entry of a validated L1 of the table owner; `old_value` is what the entry holds.
// mmu_lock held. This one for rights that are not foreign.
[[gnu::always_inline]] inline Result<void> update_own(MappingRights const& rights, std::uint64_t& entry,
                                                      std::uint64_t old_value, std::uint64_t value, UpdateKind kind)
{
    if (auto const updated = update_in_place(rights, entry, old_value, value, kind); updated.error() != Errno::NoData)
        [[likely]]
        return updated;
    return replace(rights, entry, value, kind);
}

// A named owner is always checked against the frame.
[[gnu::always_inline]] inline Result<void> update(MappingRights const& rights, std::uint64_t& entry,
                                                  std::uint64_t old_value, std::uint64_t value, UpdateKind kind)
{
    if (rights.foreign) [[unlikely]]
        return replace(rights, entry, value, kind);
    return update_own(rights, entry, old_value, value, kind);
}

} // namespace hv::leaf
