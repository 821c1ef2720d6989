// SPDX-License-Identifier: MIT
// A domain's grant table: what of its own pages others may map or copy, and what it has mapped of others.
//
// Ownership prose. An entry in the shared frames is guest-writable, so it is read once, atomically, and the use record
// beside it is the truth while anybody uses the grant: it holds the resolved frame and one count per kind of use. Every
// use also holds one reference of the frame, a writable one when it may write; the user keeps it (a mapping in its
// maptrack entry) and gives it back itself, after the TLBs are clean. GTF_reading and GTF_writing are set in the shared
// entry before the first use counts and cleared after the last one has gone.
//
// Locks: `lock_` guards version, size and use records; `maptrack_lock_` the handles of what the domain maps. Neither is
// held while another table's is taken, nor while page tables change (core/mm/grant_pte.hpp). Below both: page_lock.
#pragma once

#include <core/domain/domain.hpp>
#include <core/grant/growing_array.hpp>
#include <lib/result.hpp>
#include <lib/spinlock.hpp>
#include <port/port.hpp>

#include <cstdint>

namespace hv
{

using GrantStatus = std::int16_t; // GNTST_*

// One way in which a grant is used; counted apart, since each is given up on its own. The value is where UseRecord::counts
// has its count.
enum class GrantUse : std::uint8_t
{
    HostRead = 0,
    HostWrite = 16,
    DeviceRead = 32,
    DeviceWrite = 48,
};

constexpr bool writes(GrantUse use)
{
    return (static_cast<unsigned>(use) & 16) != 0;
}
static_assert(writes(GrantUse::HostWrite) && writes(GrantUse::DeviceWrite) && !writes(GrantUse::DeviceRead));

// The use record of one grant; all counts 0: nobody uses it.
struct UseRecord
{
    Mfn frame{};
    std::uint64_t counts = 0; // 16 bits for each GrantUse
    DomainId user{};          // who; one domain at a time
    std::uint16_t offset = 0; // the part that may be copied
    std::uint16_t length = 0;
    bool transitive = false; // stands for another domain's grant: no frame here, whose uses are counted there as well
    DomainId behind{};       // whose that is
    std::uint32_t behind_ref = 0;

    static constexpr std::uint64_t one(GrantUse use) { return std::uint64_t{1} << static_cast<unsigned>(use); }
    static constexpr std::uint64_t all(GrantUse use) { return std::uint64_t{0xffff} << static_cast<unsigned>(use); }

    [[nodiscard]] bool used() const { return counts != 0; }
    [[nodiscard]] bool used(GrantUse use) const { return (counts & all(use)) != 0; }
    [[nodiscard]] bool written() const { return used(GrantUse::HostWrite) || used(GrantUse::DeviceWrite); }
    [[nodiscard]] bool full(GrantUse use) const { return (counts & all(use)) == all(use); }

    // The first use of an entry that names a part of a frame. Afterwards the guest may write into the entry what it likes.
    void begin(Mfn named, std::uint16_t first, std::uint16_t bytes)
    {
        frame = named;
        offset = first;
        length = bytes;
        transitive = false;
    }
};

// What acquire() found; small enough for two registers.
struct AcquiredGrant
{
    GrantStatus status = GNTST_okay; // the rest counts only with this one
    std::uint16_t offset = 0;
    std::uint16_t length = 0;
    Mfn frame{};
};

// What acquire_transitive() found: the grant that the entry stands for.
struct GrantBehind
{
    DomainId granter{};
    GrantRef ref{};
};

enum class MappingState : std::uint8_t
{
    Free,
    Live,
    Busy, // one operation works on it; others see a bad handle
};

// What the domain has mapped through one handle: `uses` are GNTMAP_host_map and GNTMAP_device_map as still in force. Its place
// is fixed. While it is Busy it belongs to the operation that made it so, which needs no lock for it; others look at `state`
// alone.
struct GrantMapping
{
    Mfn frame{};
    GrantRef ref{}; // Free: the next free handle + 1
    std::uint32_t uses = 0;
    std::uint32_t handle = 0; // its own, always
    DomainId granter{};
    bool read_only = false;
    bool contains_pte = false; // the slot was given as the machine address of an entry
    MappingState state = MappingState::Free;
};

inline constexpr std::uint32_t kEntriesV1PerFrame = kPageSize / sizeof(abi::grant_entry_v1);
inline constexpr std::uint32_t kEntriesV2PerFrame = kPageSize / sizeof(abi::grant_entry_v2);
inline constexpr std::uint32_t kRecordsPerPage = kPageSize / 32;
static_assert(sizeof(UseRecord) <= 32);
inline constexpr std::uint32_t kMappingsPerPage = kPageSize / 32;
static_assert(sizeof(GrantMapping) <= 32);

class GrantTable
{
public:
    GrantTable(Domain& domain, std::uint32_t max_frames, std::uint32_t max_maptrack_frames, std::uint32_t max_version);
    GrantTable(GrantTable const&) = delete;
    GrantTable& operator=(GrantTable const&) = delete;

    // ---- the granter's side
    // Counts a use by `user` and takes a reference of the frame. `partial` accepts grants of a part of a page (copies do).
    AcquiredGrant acquire(DomainId user, GrantRef ref, GrantUse use, bool partial);
    // For an entry that passes on a grant which its domain was given (version 2; such can be copied, not mapped): counts a use
    // and says which grant it is. The caller acquires that one too, as the entry's domain, and releases both.
    GrantStatus acquire_transitive(DomainId user, GrantRef ref, GrantUse use, GrantBehind& out);
    // The use is over; the caller gives the reference back afterwards.
    void release(GrantRef ref, GrantUse use);
    // The same two in the place of their call, for what is done in long lists (core/grant/use.hpp).
    AcquiredGrant acquire_here(DomainId user, GrantRef ref, GrantUse use, bool partial);
    void release_here(GrantRef ref, GrantUse use);
    GrantStatus swap(GrantRef a, GrantRef b);

    // ---- size and version
    Result<void> grow(std::uint32_t frames);         // at least; Inval beyond the limit, NoMem
    Result<void> set_version(std::uint32_t version); // Inval, NoSys, Busy, NoMem
    [[nodiscard]] std::uint32_t version() const { return version_; }
    [[nodiscard]] std::uint32_t frame_count() const { return frame_count_; }
    [[nodiscard]] std::uint32_t frame_limit() const { return max_frames_; }
    [[nodiscard]] std::uint32_t status_frame_count() const { return status_count_; }
    Result<Mfn> shared_frame(std::uint32_t index); // Inval beyond the present size
    Result<Mfn> status_frame(std::uint32_t index);
    void log_use(); // GNTTABOP_dump_table

    // ---- the mapper's side: handles
    Result<GrantMapping*> new_handle();               // Free -> Busy, without uses; Inval (dying), NoSpc, NoMem
    GrantMapping* claim_handle(std::uint32_t handle); // Live -> Busy; nullptr when it is not Live
    void settle_handle(GrantMapping& mapping);        // Busy -> Live, or Free when no use is left

private:
    friend Result<void> grant_table_create(Domain&, std::uint32_t, std::uint32_t, std::uint32_t);
    friend bool grant_table_relinquish(Domain& domain, std::int32_t& budget);
    friend void grant_table_destroy(Domain& domain);
    friend void grant_table_free(Domain& domain);

    void count_entries() HV_REQUIRES(lock_); // after a change of size or version
    UseRecord* existing_record(std::uint32_t ref) HV_REQUIRES(lock_)
    {
        std::uint32_t const page = ref / kRecordsPerPage;
        return page < records_.capacity() && records_[page] != nullptr ? &records_[page][ref % kRecordsPerPage]
                                                                       : nullptr;
    }
    UseRecord* new_record(std::uint32_t ref) HV_REQUIRES(lock_); // with those of its page; nullptr without memory
    GrantStatus activate_v1(std::uint32_t ref, DomainId user, bool write, UseRecord& record) HV_REQUIRES(lock_);
    GrantStatus activate_v2(std::uint32_t ref, DomainId user, bool write, bool partial, UseRecord& record)
        HV_REQUIRES(lock_);
    GrantStatus activate_transitive(std::uint32_t ref, DomainId user, bool write, UseRecord& record) HV_REQUIRES(lock_);
    void deactivate(std::uint32_t ref, UseRecord const& record) HV_REQUIRES(lock_);
    void deactivate_here(std::uint32_t ref, UseRecord const& record) HV_REQUIRES(lock_);
    abi::grant_entry_v1* entry_v1(std::uint32_t ref) HV_REQUIRES(lock_)
    {
        std::byte* const entries = port::frame_data(frames_[ref / kEntriesV1PerFrame]);
        return reinterpret_cast<abi::grant_entry_v1*>(entries) + ref % kEntriesV1PerFrame;
    }
    abi::grant_entry_v2* entry_v2(std::uint32_t ref) HV_REQUIRES(lock_);
    abi::grant_status_t* status_of(std::uint32_t ref) HV_REQUIRES(lock_);
    Result<void> grow_locked(std::uint32_t frames) HV_REQUIRES(lock_);
    Result<void> grow_status(std::uint32_t frames) HV_REQUIRES(lock_);
    bool any_used() HV_REQUIRES(lock_); // beyond the reserved entries
    Result<void> switch_to_v2() HV_REQUIRES(lock_);
    Result<void> switch_to_v1() HV_REQUIRES(lock_);
    GrantMapping& mapping(std::uint32_t handle) HV_REQUIRES(maptrack_lock_) // which exists
    {
        return mappings_[handle / kMappingsPerPage][handle % kMappingsPerPage];
    }
    Result<void> add_handles() HV_REQUIRES(maptrack_lock_);

    Domain& domain_;
    SpinLock lock_{LockRank::GrantTable};
    bool ended_ = false;
    std::uint32_t const max_frames_;
    std::uint32_t const max_version_;
    std::uint32_t version_ = 1;
    std::uint32_t frame_count_ = 0;
    std::uint32_t status_count_ = 0;
    std::uint32_t entry_count_ = 0; // what the frames hold; 0 when the table has ended
    GrowingArray<Mfn> frames_;
    GrowingArray<Mfn> status_frames_;
    GrowingArray<UseRecord*> records_; // pages of use records, made at first use

    SpinLock maptrack_lock_{LockRank::GrantHandles};
    std::uint32_t const max_handles_;
    std::uint32_t handle_count_ = 0; // records that exist
    std::uint32_t free_handle_ = 0;  // + 1; 0 = none
    std::uint32_t live_handles_ = 0;
    std::uint32_t relinquish_next_ = 0;
    bool mapping_ended_ = false; // the domain is dying and maps nothing more
    GrowingArray<GrantMapping*> mappings_;
};

// ---- life. Limits in frames; `max_version` 1 or 2. The first frame exists from the start. NoMem, Inval.
Result<void> grant_table_create(Domain& domain, std::uint32_t max_frames, std::uint32_t max_maptrack_frames,
                                std::uint32_t max_version);
// Releases what the dying domain has mapped of others until `budget` is used up; true when nothing is left.
[[nodiscard]] bool grant_table_relinquish(Domain& domain, std::int32_t& budget);
// Gives the table's own frames back. Others may still hold uses of the domain's grants; their calls find the table ended.
void grant_table_destroy(Domain& domain);
void grant_table_free(Domain& domain); // when nobody can find the domain any more

// XENMEM_acquire_resource, type grant_table: `kind` 0 shared frames, 1 status frames. Grows the table up to `index`
// when its limit allows. Inval, NoMem.
Result<Mfn> grant_frame(Domain& domain, std::uint32_t kind, std::uint32_t index);
std::uint32_t grant_frame_limit(Domain& domain, std::uint32_t kind);

} // namespace hv
