// SPDX-License-Identifier: MIT
// The rules for single entries, and the door through which every live entry changes.
#include <core/mm/entry.hpp>

#include <core/domain/domain.hpp>
#include <core/domain/range_set.hpp>
#include <core/mm/device_memory.hpp>
#include <core/mm/frame_counts.hpp>
#include <core/mm/pte.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

using namespace pte;

constexpr std::uint64_t kTableAllowed =
    kPresent | kWritable | kUser | kAccessed | kDirty | kAvailable | kAvailableHigh | kNoExecute | kAddress;
constexpr std::uint64_t kLeafAllowed = kTableAllowed | kGlobal;

bool may_use_devices(Domain const& domain)
{
    return domain.control || domain.io_memory != nullptr;
}

FrameType below(FrameType level)
{
    return static_cast<FrameType>(static_cast<unsigned>(level) - 1);
}

// Everything runs at CPL 3, so every leaf needs U. A page the guest keeps from its user mode is marked and never
// global; a user page is global, so that it survives the switch between kernel and user root.
std::uint64_t with_privilege_bits(std::uint64_t value)
{
    if ((value & kUser) == 0 || (value & kGuestKernel) != 0)
        return (value | kUser | kGuestKernel) & ~kGlobal;
    return value | kGlobal;
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

// Nearly all leaves are of RAM that a domain owns, without cache attributes.
Result<std::uint64_t> take_leaf(MappingRights const& rights, std::uint64_t value)
{
    FrameInfo* const info = frame_record(pte::frame(value));
    bool const usual = (value & ~kLeafAllowed) == 0 && info != nullptr && rights.frame_owner != kDomainXen;
    if (!usual || !add_reference(*info, rights.frame_owner)) [[unlikely]]
        return take_unusual_leaf(rights, value);
    value &= ~kGrant;
    if ((value & kWritable) == 0 || add_writable_use(*info)) [[likely]]
        return with_privilege_bits(value);
    drop_reference(pte::frame(value), *info);
    return Errno::Busy;
}

void drop_leaf(std::uint64_t value)
{
    Mfn const frame = pte::frame(value);
    FrameInfo* const info = frame_record(frame);
    if ((value & kGrant) != 0 || info == nullptr || info->owner() == kDomainIo)
        return;
    if ((value & kWritable) != 0)
        drop_writable_use(*info);
    drop_reference(frame, *info);
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

Result<void> drop_entry(Domain& table_owner, FrameType level, std::uint64_t value, Budget& budget)
{
    if ((value & kPresent) == 0)
        return {};
    if (level != FrameType::L1)
        return put_table(table_owner, pte::frame(value), below(level), budget);
    drop_leaf(value);
    return {};
}

namespace
{

// Replaces the entry by `value` (references already taken) and returns the old one. Hardware may set A and D meanwhile,
// so the old value is taken by an atomic exchange, or merged in by compare-exchange.
std::uint64_t store_entry(std::uint64_t& entry, std::uint64_t value, UpdateKind kind)
{
    if (kind == UpdateKind::Normal)
        return exchange(entry, value);
    std::uint64_t seen = load_relaxed(entry);
    while (!compare_exchange(entry, seen, value | (seen & (kAccessed | kDirty))))
    {
    }
    return seen;
}

// Same frame, same rights to write: no reference changes, whatever the other flags do.
bool keeps_references(std::uint64_t old_value, std::uint64_t value)
{
    return ((old_value ^ value) & (kPresent | kWritable | kAddress | kCacheBits | kGrant)) == 0 &&
           (value & kPresent) != 0;
}

// A leaf that goes on mapping the same RAM frame of the same owner and only gains or loses the right to write: the record
// of that frame, else nullptr. Its general reference stays; the writable use comes or goes.
FrameInfo* frame_of_changed_right(MappingRights const& rights, std::uint64_t old_value, std::uint64_t value)
{
    constexpr std::uint64_t kWhole = kPresent | kAddress | kCacheBits | kGrant;
    if (((old_value ^ value) & (kWhole | kWritable)) != kWritable || (value & (kPresent | kGrant)) != kPresent)
        return nullptr;
    FrameInfo* const info = frame_record(pte::frame(value));
    return info != nullptr && info->owner() == rights.frame_owner && rights.frame_owner != kDomainXen ? info : nullptr;
}

// Changes a leaf without touching the general reference of its frame. NoData: this change is not of that kind.
Result<void> update_in_place(MappingRights const& rights, std::uint64_t& entry, std::uint64_t old_value,
                             std::uint64_t value, UpdateKind kind)
{
    HV_REQUIRE((value & ~(kLeafAllowed | kCacheBits)) == 0, Errno::NoData);
    if (keeps_references(old_value, value))
    {
        store_entry(entry, with_privilege_bits(value), kind);
        return {};
    }
    FrameInfo* const info = frame_of_changed_right(rights, old_value, value);
    HV_REQUIRE(info != nullptr, Errno::NoData);
    if ((value & kWritable) != 0)
    {
        HV_REQUIRE(add_writable_use(*info), Errno::Busy);
        store_entry(entry, with_privilege_bits(value), kind);
        return {};
    }
    store_entry(entry, with_privilege_bits(value), kind);
    drop_writable_use(*info);
    return {};
}

} // namespace

Result<void> update_entry(MappingRights const& rights, Mfn table, FrameType level, unsigned index, std::uint64_t value,
                          UpdateKind kind, Budget& budget)
{
    HV_REQUIRE(level != FrameType::L4 || index < 256 || index > 271, Errno::Inval);
    std::uint64_t& entry = table_entries(table)[index];
    std::uint64_t const old_value = load_relaxed(entry);
    budget.spend(1);
    if (level == FrameType::L1 && !rights.foreign) // a named owner is always checked against the frame
        if (auto const updated = update_in_place(rights, entry, old_value, value, kind);
            updated.error() != Errno::NoData)
            return updated;
    std::uint64_t const adjusted = HV_TRY(take_entry(rights, level, value, budget));
    std::uint64_t const replaced = store_entry(entry, adjusted, kind);
    auto const dropped = drop_entry(rights.table_owner, level, replaced, budget);
    // An interrupted teardown of the old table waits in the deferred slot; the update itself is done.
    HV_ASSERT(dropped || dropped.error() == Errno::Restart);
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

std::uint64_t exchange_leaf_raw(Domain& owner, Mfn table, unsigned index, std::uint64_t value)
{
    Budget budget = Budget::unlimited();
    std::uint64_t const replaced = exchange(table_entries(table)[index], value);
    drop_entry(owner, FrameType::L1, replaced, budget).value();
    return replaced;
}

} // namespace hv
