// SPDX-License-Identifier: MIT
// Size and life of grant tables.
#include <core/grant/grant_table.hpp>
#include <core/mm/frame.hpp>
#include <lib/atomic.hpp>
#include <lib/log.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

inline constexpr std::uint32_t kMaxFrames = 4096; // what the limits of a domain may be at most
inline constexpr std::uint32_t kMaxHandleFrames = 16384;

std::uint32_t entries_per_frame(std::uint32_t version)
{
    return version == 1 ? kEntriesV1PerFrame : kEntriesV2PerFrame;
}

constexpr std::uint32_t kStatusPerFrame = kPageSize / sizeof(abi::grant_status_t);

} // namespace

GrantTable::GrantTable(Domain& domain, std::uint32_t max_frames, std::uint32_t max_maptrack_frames,
                       std::uint32_t max_version)
    : domain_(domain), max_frames_(max_frames), max_version_(max_version),
      max_handles_(max_maptrack_frames * kMappingsPerPage)
{
}

void GrantTable::count_entries()
{
    entry_count_ = frame_count_ * entries_per_frame(version_);
}

UseRecord* GrantTable::new_record(std::uint32_t ref)
{
    std::uint32_t const page = ref / kRecordsPerPage;
    if (!records_.reserve(page + 1))
        return nullptr;
    if (records_[page] == nullptr)
        records_[page] = reinterpret_cast<UseRecord*>(allocate_zeroed_page());
    return existing_record(ref);
}

abi::grant_entry_v2* GrantTable::entry_v2(std::uint32_t ref)
{
    std::byte* const entries = port::frame_data(frames_[ref / kEntriesV2PerFrame]);
    return reinterpret_cast<abi::grant_entry_v2*>(entries) + ref % kEntriesV2PerFrame;
}

abi::grant_status_t* GrantTable::status_of(std::uint32_t ref)
{
    Mfn const frame = status_frames_[ref / kStatusPerFrame];
    return reinterpret_cast<abi::grant_status_t*>(port::frame_data(frame)) + ref % kStatusPerFrame;
}

Result<void> GrantTable::grow(std::uint32_t frames)
{
    Guard guard(lock_);
    return grow_locked(frames);
}

Result<void> GrantTable::grow_locked(std::uint32_t frames)
{
    HV_REQUIRE(!ended_ && frames <= max_frames_, Errno::Inval);
    HV_REQUIRE(frames_.reserve(frames), Errno::NoMem);
    if (version_ == 2) // first, so that there is no entry without its status, whatever cannot be had
        HV_TRY_VOID(grow_status(frames));
    while (frame_count_ < frames)
    {
        frames_[frame_count_] = HV_TRY(allocate_special_frame(domain_));
        ++frame_count_;
        count_entries();
    }
    return {};
}

Result<void> GrantTable::grow_status(std::uint32_t frames)
{
    std::uint32_t const entries = frames * entries_per_frame(2);
    std::uint32_t const needed = (entries + kStatusPerFrame - 1) / kStatusPerFrame;
    HV_REQUIRE(status_frames_.reserve(needed), Errno::NoMem);
    while (status_count_ < needed)
    {
        status_frames_[status_count_] = HV_TRY(allocate_special_frame(domain_));
        ++status_count_;
    }
    return {};
}

Result<Mfn> GrantTable::shared_frame(std::uint32_t index)
{
    Guard guard(lock_);
    HV_REQUIRE(!ended_ && index < frame_count_, Errno::Inval);
    return frames_[index];
}

Result<Mfn> GrantTable::status_frame(std::uint32_t index)
{
    Guard guard(lock_);
    HV_REQUIRE(!ended_ && version_ == 2 && index < status_count_, Errno::Inval);
    return status_frames_[index];
}

void GrantTable::log_use()
{
    Guard guard(lock_);
    std::uint32_t used = 0;
    for (std::uint32_t ref = 0; ref < entry_count_; ++ref)
        if (UseRecord const* const record = existing_record(ref); record != nullptr && record->used())
        {
            ++used;
            log_info("domain {} grant {}: frame {x}, used by domain {}", domain_.id(), ref, record->frame,
                     record->user);
        }
    log_info("domain {} grants: version {}, {} of {} frames, {} in use, {} mapped of others", domain_.id(), version_,
             frame_count_, max_frames_, used, live_handles_);
}

Result<void> grant_table_create(Domain& domain, std::uint32_t max_frames, std::uint32_t max_maptrack_frames,
                                std::uint32_t max_version)
{
    HV_REQUIRE(max_frames >= 1 && max_frames <= kMaxFrames && max_maptrack_frames <= kMaxHandleFrames, Errno::Inval);
    HV_REQUIRE(max_version == 1 || max_version == 2, Errno::Inval);
    domain.grants = heap_new<GrantTable>(domain, max_frames, max_maptrack_frames, max_version);
    HV_REQUIRE(domain.grants != nullptr, Errno::NoMem);
    return domain.grants->grow(1);
}

void grant_table_destroy(Domain& domain)
{
    GrantTable* const table = domain.grants;
    if (table == nullptr)
        return;
    Guard guard(table->lock_);
    if (table->ended_)
        return;
    table->ended_ = true;
    for (std::uint32_t index = 0; index < table->frame_count_; ++index)
        (void)release_domain_frame(domain, table->frames_[index], false);
    for (std::uint32_t index = 0; index < table->status_count_; ++index)
        (void)release_domain_frame(domain, table->status_frames_[index], false);
    for (std::uint32_t page = 0; page < table->records_.capacity(); ++page)
        if (table->records_[page] != nullptr)
            free_page(reinterpret_cast<std::byte*>(table->records_[page]));
    table->frame_count_ = table->status_count_ = 0;
    table->count_entries();
    table->frames_.clear();
    table->status_frames_.clear();
    table->records_.clear();
}

void grant_table_free(Domain& domain)
{
    GrantTable* const table = domain.grants;
    if (table == nullptr)
        return;
    HV_ASSERT(table->live_handles_ == 0);
    for (std::uint32_t page = 0; page < table->handle_count_ / kMappingsPerPage; ++page)
        free_page(reinterpret_cast<std::byte*>(table->mappings_[page]));
    domain.grants = nullptr;
    heap_delete(table);
}

Result<Mfn> grant_frame(Domain& domain, std::uint32_t kind, std::uint32_t index)
{
    HV_REQUIRE(domain.grants != nullptr && kind <= 1, Errno::Inval);
    GrantTable& table = *domain.grants;
    HV_REQUIRE(index < grant_frame_limit(domain, kind), Errno::Inval);
    if (kind == 0)
    {
        HV_TRY_VOID(table.grow(index + 1));
        return table.shared_frame(index);
    }
    HV_REQUIRE(table.version() == 2, Errno::Inval);
    HV_TRY_VOID(table.grow(index * (kStatusPerFrame / entries_per_frame(2)) + 1));
    return table.status_frame(index);
}

std::uint32_t grant_frame_limit(Domain& domain, std::uint32_t kind)
{
    if (domain.grants == nullptr || kind > 1)
        return 0;
    std::uint32_t const frames = domain.grants->frame_limit();
    constexpr std::uint32_t kFramesPerStatus = kStatusPerFrame / (kPageSize / sizeof(abi::grant_entry_v2));
    return kind == 0 ? frames : (frames + kFramesPerStatus - 1) / kFramesPerStatus;
}

} // namespace hv
