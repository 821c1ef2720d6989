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

#include <cstdint>

namespace hv
{

using GrantStatus = std::int16_t; // GNTST_*

// One way in which a grant is used; counted apart, since each is given up on its own.
enum class GrantUse : std::uint8_t
{
    HostRead,
    HostWrite,
    DeviceRead,
    DeviceWrite,
};

constexpr bool writes(GrantUse use)
{
    return use == GrantUse::HostWrite || use == GrantUse::DeviceWrite;
}

// The use record of one grant; all counts 0: nobody uses it.
struct UseRecord
{
    Mfn frame{};
    std::uint16_t count[4]{}; // by GrantUse
    DomainId user{};          // who; one domain at a time
    std::uint16_t offset = 0; // the part that may be copied
    std::uint16_t length = 0;
    bool transitive = false; // stands for another domain's grant: no frame here, whose uses are counted there as well
    DomainId behind{};       // whose that is
    std::uint32_t behind_ref = 0;

    [[nodiscard]] bool used() const { return (count[0] | count[1] | count[2] | count[3]) != 0; }
    [[nodiscard]] bool written() const { return (count[1] | count[3]) != 0; }
};

// What acquire() found.
struct AcquiredGrant
{
    Mfn frame{};
    std::uint16_t offset = 0;
    std::uint16_t length = 0;
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

// What the domain has mapped through one handle: `uses` are GNTMAP_host_map and GNTMAP_device_map as still in force.
struct GrantMapping
{
    Mfn frame{};
    GrantRef ref{}; // Free: the next free handle + 1
    std::uint32_t uses = 0;
    DomainId granter{};
    bool read_only = false;
    bool contains_pte = false; // the slot was given as the machine address of an entry
    MappingState state = MappingState::Free;
};

inline constexpr std::uint32_t kMappingsPerPage = 4096 / 32;
static_assert(sizeof(GrantMapping) <= 32);

class GrantTable
{
public:
    GrantTable(Domain& domain, std::uint32_t max_frames, std::uint32_t max_maptrack_frames, std::uint32_t max_version);
    GrantTable(GrantTable const&) = delete;
    GrantTable& operator=(GrantTable const&) = delete;

    // ---- the granter's side
    // Counts a use by `user` and takes a reference of the frame. `partial` accepts grants of a part of a page (copies do).
    GrantStatus acquire(DomainId user, GrantRef ref, GrantUse use, bool partial, AcquiredGrant& out);
    // For an entry that passes on a grant which its domain was given (version 2; such can be copied, not mapped): counts a use
    // and says which grant it is. The caller acquires that one too, as the entry's domain, and releases both.
    GrantStatus acquire_transitive(DomainId user, GrantRef ref, GrantUse use, GrantBehind& out);
    // The use is over; the caller gives the reference back afterwards.
    void release(GrantRef ref, GrantUse use);
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
    Result<std::uint32_t> new_handle(GrantMapping const& mapping);         // NoSpc, NoMem; the mapping starts Busy
    bool claim_handle(std::uint32_t handle, GrantMapping& out);            // Live -> Busy
    void settle_handle(std::uint32_t handle, GrantMapping const& mapping); // Busy -> Live, or Free when no use is left

private:
    friend Result<void> grant_table_create(Domain&, std::uint32_t, std::uint32_t, std::uint32_t);
    friend bool grant_table_relinquish(Domain& domain, std::int32_t& budget);
    friend void grant_table_destroy(Domain& domain);
    friend void grant_table_free(Domain& domain);

    [[nodiscard]] std::uint32_t entry_count() const HV_REQUIRES(lock_);
    UseRecord* use_record(std::uint32_t ref) HV_REQUIRES(lock_);
    UseRecord* existing_record(std::uint32_t ref) HV_REQUIRES(lock_);
    GrantStatus activate(std::uint32_t ref, DomainId user, bool write, bool partial, UseRecord& record)
        HV_REQUIRES(lock_);
    GrantStatus activate_v1(std::uint32_t ref, DomainId user, bool write, UseRecord& record) HV_REQUIRES(lock_);
    GrantStatus activate_v2(std::uint32_t ref, DomainId user, bool write, bool partial, UseRecord& record)
        HV_REQUIRES(lock_);
    GrantStatus activate_transitive(std::uint32_t ref, DomainId user, bool write, UseRecord& record) HV_REQUIRES(lock_);
    void deactivate(std::uint32_t ref, UseRecord const& record) HV_REQUIRES(lock_);
    abi::grant_entry_v1* entry_v1(std::uint32_t ref) HV_REQUIRES(lock_);
    abi::grant_entry_v2* entry_v2(std::uint32_t ref) HV_REQUIRES(lock_);
    abi::grant_status_t* status_of(std::uint32_t ref) HV_REQUIRES(lock_);
    Result<void> grow_locked(std::uint32_t frames) HV_REQUIRES(lock_);
    Result<void> grow_status(std::uint32_t frames) HV_REQUIRES(lock_);
    bool any_used() HV_REQUIRES(lock_); // beyond the reserved entries
    Result<void> switch_to_v2() HV_REQUIRES(lock_);
    Result<void> switch_to_v1() HV_REQUIRES(lock_);
    GrantMapping* mapping(std::uint32_t handle) HV_REQUIRES(maptrack_lock_);

    Domain& domain_;
    SpinLock lock_{LockRank::GrantTable};
    bool ended_ = false;
    std::uint32_t const max_frames_;
    std::uint32_t const max_version_;
    std::uint32_t version_ = 1;
    std::uint32_t frame_count_ = 0;
    std::uint32_t status_count_ = 0;
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
