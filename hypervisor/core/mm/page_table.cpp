// SPDX-License-Identifier: MIT
// Typed references of tables: validation, teardown, and what happens when either is interrupted.
#include <core/mm/page_table.hpp>

#include <core/domain/domain.hpp>
#include <core/mm/deferred.hpp>
#include <core/mm/entry.hpp>
#include <core/mm/leaf.hpp>
#include <core/mm/pte.hpp>
#include <core/mm/table_scan.hpp>
#include <core/mm/tlb_clock.hpp>
#include <core/policy/descriptor.hpp>
#include <port/port.hpp>

namespace hv
{

std::uint64_t g_hypervisor_slots[16];

namespace
{

constexpr unsigned kFirstSlot = 256;
constexpr unsigned kLastSlot = 271;

bool is_hypervisor_slot(FrameType level, unsigned index)
{
    return level == FrameType::L4 && index >= kFirstSlot && index <= kLastSlot;
}

constexpr std::uint64_t usage_of(FrameType type)
{
    return static_cast<std::uint64_t>(type) << FrameInfo::kTypeShift;
}

unsigned progress_of(std::uint64_t usage)
{
    return static_cast<unsigned>((usage & FrameInfo::kProgressMask) >> FrameInfo::kProgressShift);
}

// The state changes below are made under mmu_lock; lock-free writers (get_writable) only ever see "count not 0, not
// Writable" there and leave the word alone, so plain atomic stores suffice.
void set_state(FrameInfo& info, FrameType type, std::uint64_t flags, unsigned progress, std::uint32_t count)
{
    std::uint64_t const keep = load_relaxed(info.usage) & (kStampMask | FrameInfo::kPinned);
    store_release(info.usage, keep | usage_of(type) | flags |
                                  (static_cast<std::uint64_t>(progress) << FrameInfo::kProgressShift) | count);
}

void install_hypervisor_slots(Mfn root)
{
    std::uint64_t* entries = table_entries(root);
    entries[kFirstSlot] = 0;
    for (unsigned slot = kFirstSlot + 1; slot <= kLastSlot; ++slot)
        entries[slot] = g_hypervisor_slots[slot - kFirstSlot];
}

Mfn& deferred_slot(Domain& owner, FrameType level)
{
    return owner.deferred_tables[static_cast<unsigned>(level)];
}

// The contents are about to be checked through the caches, while the MMU will read what memory holds (XSA-402).
void make_coherent(Mfn frame, FrameInfo const& info)
{
    if ((load_relaxed(info.ownership) & FrameInfo::kFlagUncached) != 0) [[unlikely]]
        port::write_back_frame(frame);
}

// Takes the references of entries [progress, 512). On Restart or error the table is left partial at the entry reached.
Result<void> validate_from(Domain& owner, Mfn frame, FrameType level, unsigned progress, Budget& budget)
{
    FrameInfo& info = *frame_info(frame);
    std::uint64_t* entries = table_entries(frame);
    MappingRights const rights{owner, owner.id()};
    if (level == FrameType::L1)
    {
        Errno failed = Errno::None;
        unsigned const reached = leaf::take_all(owner, entries, progress, budget, failed);
        if (failed != Errno::None)
            set_state(info, level, FrameInfo::kPartial, reached, 1);
        return failed;
    }
    for (unsigned index = next_present(entries, progress); index < kEntries; index = next_present(entries, index + 1))
    {
        if (is_hypervisor_slot(level, index))
            continue;
        std::uint64_t const value = load_relaxed(entries[index]);
        if (budget.exhausted())
        {
            set_state(info, level, FrameInfo::kPartial, index, 1);
            return Errno::Restart;
        }
        auto const adjusted = take_entry(rights, level, value, budget);
        budget.spend(1); // after the tables below, so that even the smallest budget gets one entry further
        if (!adjusted)
        {
            set_state(info, level, FrameInfo::kPartial, index, 1);
            return adjusted.error();
        }
        if (adjusted.value() != value)
            store_relaxed(entries[index], adjusted.value());
    }
    return {};
}

// Drops the references of entries [0, progress), from the top, then the table's own use.
Result<void> tear_down(Domain& owner, Mfn frame, FrameType level, unsigned progress, Budget& budget)
{
    FrameInfo& info = *frame_info(frame);
    std::uint64_t const* entries = table_entries(frame);
    if (level == FrameType::L1)
    {
        progress = leaf::drop_all(entries, progress, budget);
        if (progress > 0)
        {
            set_state(info, level, FrameInfo::kPartial, progress, 1);
            deferred_slot(owner, level) = frame;
            return Errno::Restart;
        }
    }
    while ((progress = last_present(entries, progress)) > 0)
    {
        unsigned const index = progress - 1;
        std::uint64_t const value = load_relaxed(entries[index]);
        if (!is_hypervisor_slot(level, index))
        {
            if (budget.exhausted())
            {
                set_state(info, level, FrameInfo::kPartial, progress, 1);
                deferred_slot(owner, level) = frame;
                return Errno::Restart;
            }
            budget.spend(1);
            // An interrupted child keeps its own reference and waits in its own deferred slot: this entry is done.
            auto const dropped = drop_entry(owner, level, value, budget);
            if (!dropped)
            {
                set_state(info, level, FrameInfo::kPartial, index, 1);
                deferred_slot(owner, level) = frame;
                return dropped;
            }
        }
        --progress;
    }
    std::uint64_t const pinned = load_relaxed(info.usage) & FrameInfo::kPinned;
    store_release(info.usage, usage_of(level) | pinned | tlb_stamp_now());
    put_frame(frame);
    return {};
}

// First use: claims the type, makes stale translations impossible, validates, publishes. Carries a partial table on.
Result<void> claim_table(Domain& owner, Mfn frame, FrameType level, Budget& budget)
{
    FrameInfo& info = *frame_info(frame);
    std::uint64_t seen = load_acquire(info.usage);
    unsigned progress = 0;
    if ((seen & FrameInfo::kPartial) != 0)
    {
        if (static_cast<FrameType>(seen >> FrameInfo::kTypeShift) != level)
        {
            put_frame(frame);
            return Errno::Busy;
        }
        progress = progress_of(seen);
        put_frame(frame); // the partial table's own reference becomes ours
    }
    else
    {
        std::uint64_t const claimed = (seen & (kStampMask | FrameInfo::kPinned)) | usage_of(level) | 1;
        if ((seen & FrameInfo::kCountMask) != 0 || !compare_exchange(info.usage, seen, claimed))
        {
            put_frame(frame);
            return Errno::Busy;
        }
        if (static_cast<FrameType>(seen >> FrameInfo::kTypeShift) != level)
            flush_if_stale(tlb_stamp_of(seen));
        make_coherent(frame, info);
    }
    auto const validated = validate_from(owner, frame, level, progress, budget);
    if (!validated)
    {
        if (validated.error() == Errno::Restart)
            return Errno::Restart;
        // Undo what was taken. If that is interrupted too, the deferred slot remembers it; the error stays the same.
        auto const undone = tear_down(owner, frame, level, progress_of(load_relaxed(info.usage)), budget);
        (void)undone.error();
        return validated.error();
    }
    if (level == FrameType::L4)
        install_hypervisor_slots(frame);
    set_state(info, level, FrameInfo::kValidated, 0, 1);
    return {};
}

} // namespace

Result<void> get_table(Domain& owner, Mfn frame, FrameType level, Budget& budget)
{
    HV_REQUIRE(get_frame(frame, owner.id()), Errno::Inval);
    FrameInfo& info = *frame_info(frame);
    if (info.special())
    {
        put_frame(frame);
        return Errno::Inval;
    }
    std::uint64_t const seen = load_acquire(info.usage);
    bool const ready = static_cast<FrameType>(seen >> FrameInfo::kTypeShift) == level &&
                       (seen & FrameInfo::kValidated) != 0 && (seen & FrameInfo::kCountMask) != 0;
    if (!ready)
        return claim_table(owner, frame, level, budget);
    if ((seen & FrameInfo::kCountMask) >= 0x80000000)
    {
        put_frame(frame);
        return Errno::Busy;
    }
    fetch_add(info.usage, 1ull);
    return {};
}

Result<void> put_table(Domain& owner, Mfn frame, FrameType level, Budget& budget)
{
    FrameInfo& info = *frame_info(frame);
    std::uint64_t const seen = load_relaxed(info.usage);
    HV_ASSERT(static_cast<FrameType>(seen >> FrameInfo::kTypeShift) == level && (seen & FrameInfo::kValidated) != 0 &&
              (seen & FrameInfo::kCountMask) != 0);
    if ((seen & FrameInfo::kCountMask) > 1)
    {
        fetch_sub(info.usage, 1ull);
        put_frame(frame);
        return {};
    }
    set_state(info, level, FrameInfo::kPartial, kEntries, 1);
    return tear_down(owner, frame, level, kEntries, budget);
}

Result<void> detail::finish_deferred_tables(Domain& owner, Budget& budget)
{
    for (FrameType level : {FrameType::L1, FrameType::L2, FrameType::L3, FrameType::L4})
    {
        Mfn const frame = deferred_slot(owner, level);
        if (frame == kInvalidMfn)
            continue;
        deferred_slot(owner, level) = kInvalidMfn;
        HV_TRY_VOID(tear_down(owner, frame, level, progress_of(load_relaxed(frame_info(frame)->usage)), budget));
    }
    return {};
}

Result<void> get_descriptor_page(Domain& owner, Mfn frame)
{
    HV_REQUIRE(get_frame(frame, owner.id()), Errno::Inval);
    FrameInfo& info = *frame_info(frame);
    std::uint64_t seen = load_acquire(info.usage);
    bool const same = static_cast<FrameType>(seen >> FrameInfo::kTypeShift) == FrameType::Descriptor;
    std::uint64_t const count = seen & FrameInfo::kCountMask;
    if (same && count != 0 && count < 0x80000000)
    {
        fetch_add(info.usage, 1ull); // under mmu_lock nobody takes it to 0 meanwhile
        return {};
    }
    std::uint64_t const claimed = (seen & kStampMask) | usage_of(FrameType::Descriptor) | 1;
    if (info.special() || count != 0 || (seen & FrameInfo::kPartial) != 0 ||
        !compare_exchange(info.usage, seen, claimed))
    {
        put_frame(frame);
        return Errno::Busy;
    }
    if (!same)
        flush_if_stale(tlb_stamp_of(seen));
    make_coherent(frame, info);
    std::uint64_t* descriptors = table_entries(frame);
    for (unsigned index = 0; index < kEntries; ++index)
    {
        if (!policy::audit_descriptor(descriptors[index]))
        {
            store_release(info.usage, usage_of(FrameType::Descriptor) | tlb_stamp_now());
            put_frame(frame);
            return Errno::Inval;
        }
    }
    fetch_or(info.usage, FrameInfo::kValidated);
    return {};
}

void put_descriptor_page(Mfn frame)
{
    FrameInfo& info = *frame_info(frame);
    std::uint64_t const seen = load_relaxed(info.usage);
    if ((seen & FrameInfo::kCountMask) == 1)
        store_release(info.usage, usage_of(FrameType::Descriptor) | tlb_stamp_now());
    else
        fetch_sub(info.usage, 1ull);
    put_frame(frame);
}

void prepare_kernel_root(Mfn root)
{
    table_entries(root)[kFirstSlot] = g_hypervisor_slots[0];
}

bool access_allowed_now(Mfn root, DomainId owner, std::uint64_t address, bool write)
{
    Mfn table = root;
    for (unsigned level = 4; level >= 1; --level)
    {
        FrameInfo const* const info = frame_info(table);
        if (info == nullptr || info->owner() != owner)
            return false;
        std::uint64_t const entry = load_relaxed(table_entries(table)[pte::index(address, level)]);
        if ((entry & pte::kPresent) == 0 || (entry & pte::kUser) == 0 || (write && (entry & pte::kWritable) == 0))
            return false;
        table = pte::frame(entry);
    }
    return true;
}

} // namespace hv
