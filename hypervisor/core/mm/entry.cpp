// SPDX-License-Identifier: MIT
// The rules for single entries, and the door through which every live entry changes.
#include <core/mm/entry.hpp>

#include <core/domain/domain.hpp>
#include <core/domain/range_set.hpp>
#include <core/mm/device_memory.hpp>
#include <core/mm/frame_counts.hpp>
#include <core/mm/leaf.hpp>
#include <core/mm/pte.hpp>
#include <core/mm/table_scan.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

using namespace pte;
using namespace leaf;

bool may_use_devices(Domain const& domain)
{
    return domain.control || domain.io_memory != nullptr;
}

FrameType below(FrameType level)
{
    return static_cast<FrameType>(static_cast<unsigned>(level) - 1);
}

Result<std::uint64_t> take_device_leaf(MappingRights const& rights, std::uint64_t value)
{
    Mfn const frame = pte::frame(value);
    HV_REQUIRE(frame.raw() != (kAddress >> kPageShift), Errno::Inval); // the guest's INVALID_MFN
    // What is denied (our interrupt controllers) stays so whatever rights the tools gave.
    bool const permitted = rights.table_owner.control || (rights.table_owner.io_memory != nullptr &&
                                                          rights.table_owner.io_memory->contains(frame.raw()));
    HV_REQUIRE(permitted && device_frame_allowed(frame), Errno::Perm);
    if ((value & kCacheDisable) == 0)
        value = (value & ~kCacheBits) | kCacheDisable; // PAT entry 2, UC-: devices are never cached
    if (device_frame_read_only(frame))
        value &= ~kWritable;
    return with_privilege_bits(value);
}

// Leaves with cache attributes, of devices or of our own frames; and what is wrong with a leaf.
[[gnu::noinline]] Result<std::uint64_t> take_unusual_leaf(MappingRights const& rights, std::uint64_t value)
{
    std::uint64_t const allowed = kLeafAllowed | (may_use_devices(rights.table_owner) ? kCacheBits : 0);
    HV_REQUIRE((value & ~allowed) == 0, Errno::Inval);
    value &= ~kGrant;
    Mfn const frame = pte::frame(value);
    FrameInfo const* info = frame_info(frame);
    if (info == nullptr || info->owner() == kDomainIo)
        return take_device_leaf(rights, value);
    if (rights.frame_owner == kDomainXen)
    {
        HV_REQUIRE(rights.table_owner.control && (value & kWritable) == 0 && frame_exported(frame), Errno::Perm);
        HV_REQUIRE(get_frame(frame, kDomainXen), Errno::Inval);
        return with_privilege_bits(value);
    }
    HV_REQUIRE((value & kCacheBits) == 0 || !info->special(), Errno::Access);
    if ((value & kWritable) != 0)
    {
        auto const taken = get_writable(frame, rights.frame_owner);
        HV_REQUIRE(taken, Errno::Busy);
    }
    else
    {
        HV_REQUIRE(get_frame(frame, rights.frame_owner), Errno::Busy);
    }
    if ((value & kCacheBits) != 0)
        fetch_or(frame_info(frame)->ownership,
                 FrameInfo::kFlagUncached); // before the mapping exists; see claim_table()
    return with_privilege_bits(value);
}

// pte::frame() without the wide mask, which would be loaded anew for each entry of a table.
constexpr Mfn mapped_frame(std::uint64_t value)
{
    static_assert(kAddress << 12 >> 24 == kAddress >> kPageShift && ~0ull << 12 >> 24 == kAddress >> kPageShift);
    return Mfn{value << 12 >> 24};
}

// Nearly all leaves are of RAM that a domain owns, without cache attributes: takes their references. False when `value` is not
// of that kind or the frame is not to be had; nothing has been taken then.
[[gnu::always_inline]] inline bool take_usual_leaf(FrameTable const& frames, DomainId owner, std::uint64_t value)
{
    Mfn const frame = mapped_frame(value);
    if ((value & ~kLeafAllowed) != 0 || frame >= frames.end) [[unlikely]]
        return false;
    FrameInfo& info = frames.base[frame.raw()];
    if (!add_reference(info, owner)) [[unlikely]]
        return false;
    if ((value & kWritable) == 0 || add_writable_use(info)) [[likely]]
        return true;
    drop_reference(frame, info);
    return false;
}

[[gnu::always_inline]] inline Result<std::uint64_t> take_leaf(MappingRights const& rights, std::uint64_t value)
{
    if (rights.frame_owner == kDomainXen || !take_usual_leaf(g_frames, rights.frame_owner, value)) [[unlikely]]
        return take_unusual_leaf(rights, value);
    return with_privilege_bits(value & ~kGrant);
}

[[gnu::always_inline]] inline void drop_leaf(FrameTable const& frames, std::uint64_t value)
{
    Mfn const frame = mapped_frame(value);
    if ((value & kGrant) != 0 || frame >= frames.end) [[unlikely]]
        return;
    FrameInfo& info = frames.base[frame.raw()];
    // Device memory is not counted: none of it has a use, let alone several.
    bool const writable = (value & kWritable) != 0;
    if (!writable || !drop_one_of_several_uses(info))
    {
        if (info.owner() == kDomainIo) [[unlikely]]
            return;
        if (writable)
            detail::drop_last_writable_use(info);
    }
    drop_reference(frame, info);
}

} // namespace

Result<std::uint64_t> take_entry(MappingRights const& rights, FrameType level, std::uint64_t value, Budget& budget)
{
    if ((value & kPresent) == 0)
        return value;
    if (level == FrameType::L1)
        return take_leaf(rights, value);
    HV_REQUIRE((value & ~kTableAllowed) == 0, Errno::Inval);
    HV_REQUIRE(rights.frame_owner == rights.table_owner.id(), Errno::Inval);
    auto const taken = get_table(rights.table_owner, pte::frame(value), below(level), budget);
    if (!taken)
        return taken.error() == Errno::Restart ? Errno::Restart : Errno::Inval;
    return value | kUser;
}

[[gnu::noinline]] unsigned leaf::take_all(Domain& owner, std::uint64_t* entries, unsigned first, Budget& budget,
                                          Errno& failed)
{
    DomainId const id = owner.id();
    FrameTable const frames = g_frames;
    failed = Errno::None;
    std::int32_t left = budget.left();
    std::uint64_t* const end = entries + kEntries;
    std::uint64_t* entry = behind_empty_groups(entries + first, end);
    while (entry != end)
    {
        std::uint64_t const value = load_relaxed(*entry);
        if ((value & kPresent) == 0)
        {
            entry = behind_empty_groups(entry + 1, end);
            continue;
        }
        if (--left < 0) [[unlikely]]
        {
            left = 0;
            failed = Errno::Restart;
            break;
        }
        if (take_usual_leaf(frames, id, value)) [[likely]]
        {
            // An entry that is as it has to be (a table that is pinned again) is not written.
            std::uint64_t const privilege = value & (kUser | kGlobal | kGuestKernel | kGrant);
            if (privilege != (kUser | kGlobal) && privilege != (kUser | kGuestKernel)) [[unlikely]]
                store_relaxed(*entry, with_privilege_bits(value & ~kGrant));
            ++entry;
            continue;
        }
        auto const adjusted = take_unusual_leaf(MappingRights{owner, id}, value);
        failed = adjusted.error();
        if (!adjusted)
            break;
        store_relaxed(*entry++, adjusted.value());
    }
    budget.spend(budget.left() - left);
    return static_cast<unsigned>(entry - entries);
}

[[gnu::noinline]] unsigned leaf::drop_all(std::uint64_t const* entries, unsigned end, Budget& budget)
{
    FrameTable const frames = g_frames;
    std::int32_t left = budget.left();
    std::size_t behind = before_empty_groups(entries, end);
    while (behind != 0)
    {
        std::uint64_t const value = load_relaxed(entries[behind - 1]);
        if ((value & kPresent) == 0)
        {
            behind = before_empty_groups(entries, behind - 1);
            continue;
        }
        if (--left < 0) [[unlikely]]
        {
            left = 0;
            break;
        }
        drop_leaf(frames, value);
        --behind;
    }
    budget.spend(budget.left() - left);
    return static_cast<unsigned>(behind);
}

Result<void> drop_entry(Domain& table_owner, FrameType level, std::uint64_t value, Budget& budget)
{
    if ((value & kPresent) == 0)
        return {};
    if (level != FrameType::L1)
        return put_table(table_owner, pte::frame(value), below(level), budget);
    drop_leaf(g_frames, value);
    return {};
}

Result<void> update_entry(MappingRights const& rights, Mfn table, FrameType level, unsigned index, std::uint64_t value,
                          UpdateKind kind, Budget& budget)
{
    HV_REQUIRE(level != FrameType::L4 || index < 256 || index > 271, Errno::Inval);
    std::uint64_t& entry = table_entries(table)[index];
    budget.spend(1);
    if (level == FrameType::L1)
        return leaf::update(rights, entry, load_relaxed(entry), value, kind);
    std::uint64_t const adjusted = HV_TRY(take_entry(rights, level, value, budget));
    std::uint64_t const replaced = store_entry(entry, adjusted, kind);
    auto const dropped = drop_entry(rights.table_owner, level, replaced, budget);
    // An interrupted teardown of the old table waits in the deferred slot; the update itself is done.
    HV_ASSERT(dropped || dropped.error() == Errno::Restart);
    return {};
}

namespace
{

// The references that `value` needs have been taken.
[[gnu::always_inline]] inline void replace_leaf(std::uint64_t& entry, std::uint64_t value, UpdateKind kind)
{
    std::uint64_t const replaced = store_entry(entry, value, kind);
    if ((replaced & kPresent) != 0)
        drop_leaf(g_frames, replaced);
}

// By itself, since it needs few registers.
[[gnu::noinline]] Result<void> clear_leaf(std::uint64_t& entry, std::uint64_t value, UpdateKind kind)
{
    replace_leaf(entry, value, kind);
    return {};
}

} // namespace

Result<void> leaf::replace(MappingRights const& rights, std::uint64_t& entry, std::uint64_t value, UpdateKind kind)
{
    if ((value & kPresent) == 0)
        return clear_leaf(entry, value, kind);
    replace_leaf(entry, HV_TRY(take_leaf(rights, value)), kind);
    return {};
}

Result<void> update_leaf_if(MappingRights const& rights, Mfn table, unsigned index, std::uint64_t expected,
                            std::uint64_t value)
{
    Budget budget = Budget::unlimited();
    std::uint64_t& entry = table_entries(table)[index];
    if (keeps_references(expected, value) && (value & ~(kLeafAllowed | kCacheBits)) == 0)
        return compare_exchange(entry, expected, with_privilege_bits(value)) ? Result<void>{} : Errno::Again;
    std::uint64_t const adjusted = HV_TRY(take_entry(rights, FrameType::L1, value, budget));
    if (!compare_exchange(entry, expected, adjusted))
    {
        drop_entry(rights.table_owner, FrameType::L1, adjusted, budget).value();
        return Errno::Again;
    }
    return drop_entry(rights.table_owner, FrameType::L1, expected, budget);
}

std::uint64_t exchange_leaf_raw(Domain& owner, std::uint64_t& entry, std::uint64_t value)
{
    Budget budget = Budget::unlimited();
    std::uint64_t const replaced = exchange(entry, value);
    drop_entry(owner, FrameType::L1, replaced, budget).value();
    return replaced;
}

} // namespace hv
