// SPDX-License-Identifier: MIT
// Uses of grants, inline: taking and giving back one is most of what a copy or a mapping costs.
#pragma once

#include <core/grant/grant_table.hpp>
#include <core/mm/frame_counts.hpp>
#include <lib/atomic.hpp>

namespace hv
{
namespace detail
{

inline constexpr unsigned kTries = 8; // against a guest that keeps changing the entry

inline std::uint32_t& header_word(void* entry)
{
    return *static_cast<std::uint32_t*>(entry);
}

// Whether the header, as one word, lets `user` do this.
inline bool permits(std::uint32_t header, DomainId user, bool write, bool partial)
{
    std::uint32_t const looked_at =
        0xffff0000u | GTF_type_mask | (partial ? 0u : GTF_sub_page) | (write ? GTF_readonly : 0u);
    return (header & looked_at) == (std::uint32_t{user.raw()} << 16 | GTF_permit_access);
}

inline std::uint16_t use_bits(bool write)
{
    return static_cast<std::uint16_t>(GTF_reading | (write ? GTF_writing : 0));
}

} // namespace detail

[[gnu::always_inline]] inline GrantStatus GrantTable::activate_v1(std::uint32_t ref, DomainId user, bool write,
                                                                  UseRecord& record)
{
    abi::grant_entry_v1* const entry = entry_v1(ref);
    std::uint32_t& word = detail::header_word(entry);
    bool const first = !record.used();
    std::uint32_t seen = load_relaxed(word);
    for (unsigned round = 0; round < detail::kTries; ++round)
    {
        if (!detail::permits(seen, user, write, false)) [[unlikely]]
            return GNTST_general_error;
        if (!compare_exchange(word, seen, seen | detail::use_bits(write))) [[unlikely]]
            continue;
        if (first)
            record.begin(domain_.resolve(GuestFrame{load_relaxed(entry->frame)}), 0, kPageSize);
        return GNTST_okay;
    }
    return GNTST_eagain;
}

// Clears the use bits that `record` no longer justifies.
[[gnu::always_inline]] inline void GrantTable::deactivate_here(std::uint32_t ref, UseRecord const& record)
{
    std::uint16_t const gone =
        static_cast<std::uint16_t>((record.used() ? 0 : GTF_reading) | (record.written() ? 0 : GTF_writing));
    if (gone == 0)
        return;
    std::uint16_t& flags = version_ == 1 ? entry_v1(ref)->flags : *status_of(ref);
    fetch_and(flags, static_cast<std::uint16_t>(~gone));
}

[[gnu::always_inline]] inline AcquiredGrant GrantTable::acquire_here(DomainId user, GrantRef ref, GrantUse use,
                                                                     bool partial)
{
    Guard guard(lock_);
    if (ref.raw() >= entry_count_) [[unlikely]]
        return {ended_ ? GrantStatus{GNTST_bad_domain} : GrantStatus{GNTST_bad_gntref}};
    UseRecord* record = existing_record(ref.raw());
    if (record == nullptr) [[unlikely]]
        record = new_record(ref.raw());
    if (record == nullptr) [[unlikely]]
        return {GNTST_no_space};
    bool const used = record->used();
    if (used && (record->user != user || record->transitive))
        return {GNTST_general_error};
    if (record->full(use)) [[unlikely]]
        return {GNTST_no_space};
    if (used && record->length != kPageSize && !partial)
        return {GNTST_general_error};
    if (!used || (writes(use) && !record->written()))
    {
        GrantStatus const status = version_ == 1 ? activate_v1(ref.raw(), user, writes(use), *record)
                                                 : activate_v2(ref.raw(), user, writes(use), partial, *record);
        if (status != GNTST_okay) [[unlikely]]
            return {status};
    }
    if (!take_use(record->frame, domain_.id(), writes(use))) [[unlikely]]
    {
        deactivate(ref.raw(), *record);
        return {GNTST_bad_page};
    }
    record->counts += UseRecord::one(use);
    record->user = user;
    return {GNTST_okay, record->offset, record->length, record->frame};
}

[[gnu::always_inline]] inline void GrantTable::release_here(GrantRef ref, GrantUse use)
{
    Guard guard(lock_);
    if (ended_) [[unlikely]]
        return; // the domain is gone; only the reference was left of the use
    UseRecord& record = records_[ref.raw() / kRecordsPerPage][ref.raw() % kRecordsPerPage]; // it counts this use
    HV_ASSERT(record.used(use));
    record.counts -= UseRecord::one(use);
    if (!record.used(use))
        deactivate_here(ref.raw(), record);
}

} // namespace hv
