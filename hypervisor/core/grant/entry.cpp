// SPDX-License-Identifier: MIT
// Shared entries: reading what the guest wrote, once and atomically, and marking them in use. Layouts: public header
// grant_table.h.
#include <core/grant/grant_table.hpp>
#include <core/mm/frame.hpp>
#include <lib/atomic.hpp>

namespace hv
{
namespace
{

inline constexpr unsigned kTries = 8; // against a guest that keeps changing the entry

struct Header // flags and domid, read as one word
{
    std::uint32_t word;
    [[nodiscard]] std::uint16_t flags() const { return static_cast<std::uint16_t>(word); }
    [[nodiscard]] DomainId domain() const { return DomainId{static_cast<std::uint16_t>(word >> 16)}; }
};

std::uint32_t& header_word(void* entry)
{
    return *static_cast<std::uint32_t*>(entry);
}

GrantStatus check_header(Header header, DomainId user, bool write, bool partial)
{
    bool const permits = (header.flags() & GTF_type_mask) == GTF_permit_access;
    bool const part = (header.flags() & GTF_sub_page) != 0;
    if (!permits || header.domain() != user || (part && !partial) || (write && (header.flags() & GTF_readonly) != 0))
        return GNTST_general_error;
    return GNTST_okay;
}

bool is_transitive(Header header, DomainId user, bool write)
{
    constexpr std::uint16_t kKind = GTF_type_mask | GTF_sub_page;
    return (header.flags() & kKind) == GTF_transitive && header.domain() == user &&
           !(write && (header.flags() & GTF_readonly) != 0);
}

std::uint16_t use_bits(bool write)
{
    return write ? GTF_reading | GTF_writing : GTF_reading;
}

} // namespace

GrantStatus GrantTable::activate_v1(std::uint32_t ref, DomainId user, bool write, UseRecord& record)
{
    abi::grant_entry_v1* const entry = entry_v1(ref);
    std::uint32_t& word = header_word(entry);
    Header seen{load_relaxed(word)};
    for (unsigned round = 0; round < kTries; ++round)
    {
        if (auto const status = check_header(seen, user, write, false); status != GNTST_okay)
            return status;
        if (!compare_exchange(word, seen.word, seen.word | use_bits(write)))
            continue;
        if (!record.used())
        {
            record.frame = domain_.resolve(GuestFrame{load_relaxed(entry->frame)});
            record.offset = 0;
            record.length = kPageSize;
        }
        return GNTST_okay;
    }
    return GNTST_eagain;
}

GrantStatus GrantTable::activate_v2(std::uint32_t ref, DomainId user, bool write, bool partial, UseRecord& record)
{
    abi::grant_entry_v2* const entry = entry_v2(ref);
    std::uint32_t const& word = header_word(entry);
    Header const seen{load_relaxed(word)};
    if (auto const status = check_header(seen, user, write, partial); status != GNTST_okay)
        return status;
    // The use is announced first; a guest that revokes changes the header first and then looks for a use.
    fetch_or(*status_of(ref), use_bits(write));
    if (load_acquire(word) != seen.word)
    {
        deactivate(ref, record); // what other uses still need stays
        return GNTST_eagain;
    }
    if (!record.used())
    {
        bool const part = (seen.flags() & GTF_sub_page) != 0;
        record.frame = domain_.resolve(GuestFrame{load_relaxed(entry->full_page.frame)});
        record.offset = part ? load_relaxed(entry->sub_page.page_off) : std::uint16_t{0};
        record.length = part ? load_relaxed(entry->sub_page.length) : static_cast<std::uint16_t>(kPageSize);
    }
    return GNTST_okay;
}

GrantStatus GrantTable::activate_transitive(std::uint32_t ref, DomainId user, bool write, UseRecord& record)
{
    abi::grant_entry_v2* const entry = entry_v2(ref);
    std::uint32_t const& word = header_word(entry);
    Header const seen{load_relaxed(word)};
    if (!is_transitive(seen, user, write))
        return GNTST_general_error;
    fetch_or(*status_of(ref), use_bits(write)); // announced first, as in activate_v2()
    if (load_acquire(word) != seen.word)
    {
        deactivate(ref, record);
        return GNTST_eagain;
    }
    if (!record.used())
    {
        record.transitive = true;
        record.behind = DomainId{load_relaxed(entry->transitive.trans_domid)};
        record.behind_ref = load_relaxed(entry->transitive.gref);
    }
    return GNTST_okay;
}

GrantStatus GrantTable::activate(std::uint32_t ref, DomainId user, bool write, bool partial, UseRecord& record)
{
    return version_ == 1 ? activate_v1(ref, user, write, record) : activate_v2(ref, user, write, partial, record);
}

// Clears the use bits that `record` no longer justifies.
void GrantTable::deactivate(std::uint32_t ref, UseRecord const& record)
{
    std::uint16_t const gone =
        static_cast<std::uint16_t>((record.used() ? 0 : GTF_reading) | (record.written() ? 0 : GTF_writing));
    if (gone == 0)
        return;
    std::uint16_t& flags = version_ == 1 ? entry_v1(ref)->flags : *status_of(ref);
    fetch_and(flags, static_cast<std::uint16_t>(~gone));
}

GrantStatus GrantTable::acquire(DomainId user, GrantRef ref, GrantUse use, bool partial, AcquiredGrant& out)
{
    Guard guard(lock_);
    if (ended_)
        return GNTST_bad_domain;
    if (ref.raw() >= entry_count())
        return GNTST_bad_gntref;
    UseRecord* const record = use_record(ref.raw());
    if (record == nullptr)
        return GNTST_no_space;
    std::uint16_t& count = record->count[static_cast<unsigned>(use)];
    if (record->used() && (record->user != user || record->transitive))
        return GNTST_general_error;
    if (count == 0xffff)
        return GNTST_no_space;
    record->transitive = false;
    bool const part = record->used() && record->length != kPageSize;
    if (part && !partial)
        return GNTST_general_error;
    if (!record->used() || (writes(use) && !record->written()))
        if (auto const status = activate(ref.raw(), user, writes(use), partial, *record); status != GNTST_okay)
            return status;
    bool const whole = record->offset + record->length <= kPageSize;
    bool const held = whole && (writes(use) ? static_cast<bool>(get_writable(record->frame, domain_.id()))
                                            : get_frame(record->frame, domain_.id()));
    if (!held)
    {
        deactivate(ref.raw(), *record);
        return GNTST_bad_page;
    }
    ++count;
    record->user = user;
    out = AcquiredGrant{record->frame, record->offset, record->length};
    return GNTST_okay;
}

GrantStatus GrantTable::acquire_transitive(DomainId user, GrantRef ref, GrantUse use, GrantBehind& out)
{
    Guard guard(lock_);
    if (ended_)
        return GNTST_bad_domain;
    if (version_ != 2)
        return GNTST_general_error;
    if (ref.raw() >= entry_count())
        return GNTST_bad_gntref;
    UseRecord* const record = use_record(ref.raw());
    if (record == nullptr)
        return GNTST_no_space;
    std::uint16_t& count = record->count[static_cast<unsigned>(use)];
    if (record->used() && (record->user != user || !record->transitive))
        return GNTST_general_error;
    if (count == 0xffff)
        return GNTST_no_space;
    if (!record->used() || (writes(use) && !record->written()))
        if (auto const status = activate_transitive(ref.raw(), user, writes(use), *record); status != GNTST_okay)
            return status;
    ++count;
    record->user = user;
    out = GrantBehind{record->behind, GrantRef{record->behind_ref}};
    return GNTST_okay;
}

void GrantTable::release(GrantRef ref, GrantUse use)
{
    Guard guard(lock_);
    if (ended_)
        return; // the domain is gone; only the reference was left of the use
    UseRecord& record = *existing_record(ref.raw());
    std::uint16_t& count = record.count[static_cast<unsigned>(use)];
    HV_ASSERT(count != 0);
    --count;
    if (count == 0)
        deactivate(ref.raw(), record);
}

GrantStatus GrantTable::swap(GrantRef a, GrantRef b)
{
    Guard guard(lock_);
    if (a.raw() >= entry_count() || b.raw() >= entry_count())
        return GNTST_bad_gntref;
    for (GrantRef const ref : {a, b})
        if (UseRecord const* const record = existing_record(ref.raw()); record != nullptr && record->used())
            return GNTST_eagain;
    if (version_ == 1)
    {
        abi::grant_entry_v1 const kept = *entry_v1(a.raw());
        *entry_v1(a.raw()) = *entry_v1(b.raw());
        *entry_v1(b.raw()) = kept;
        return GNTST_okay;
    }
    abi::grant_entry_v2 const kept = *entry_v2(a.raw());
    *entry_v2(a.raw()) = *entry_v2(b.raw());
    *entry_v2(b.raw()) = kept;
    return GNTST_okay;
}

} // namespace hv
