// SPDX-License-Identifier: MIT
// Shared entries: reading what the guest wrote, once and atomically, and marking them in use. Layouts: public header
// grant_table.h.
#include <core/grant/use.hpp>
#include <lib/atomic.hpp>

namespace hv
{
namespace
{

struct Header // flags and domid, read as one word
{
    std::uint32_t word;
    [[nodiscard]] std::uint16_t flags() const { return static_cast<std::uint16_t>(word); }
    [[nodiscard]] DomainId domain() const { return DomainId{static_cast<std::uint16_t>(word >> 16)}; }
};

bool is_transitive(Header header, DomainId user, bool write)
{
    constexpr std::uint16_t kKind = GTF_type_mask | GTF_sub_page;
    return (header.flags() & kKind) == GTF_transitive && header.domain() == user &&
           !(write && (header.flags() & GTF_readonly) != 0);
}

} // namespace

GrantStatus GrantTable::activate_v2(std::uint32_t ref, DomainId user, bool write, bool partial, UseRecord& record)
{
    abi::grant_entry_v2* const entry = entry_v2(ref);
    std::uint32_t const& word = detail::header_word(entry);
    Header const seen{load_relaxed(word)};
    if (!detail::permits(seen.word, user, write, partial))
        return GNTST_general_error;
    // The use is announced first; a guest that revokes changes the header first and then looks for a use.
    fetch_or(*status_of(ref), detail::use_bits(write));
    if (load_acquire(word) != seen.word)
    {
        deactivate(ref, record); // what other uses still need stays
        return GNTST_eagain;
    }
    if (!record.used())
    {
        bool const part = (seen.flags() & GTF_sub_page) != 0;
        record.begin(domain_.resolve(GuestFrame{load_relaxed(entry->full_page.frame)}),
                     part ? load_relaxed(entry->sub_page.page_off) : std::uint16_t{0},
                     part ? load_relaxed(entry->sub_page.length) : static_cast<std::uint16_t>(kPageSize));
        if (record.offset + record.length > kPageSize)
        {
            deactivate(ref, record);
            return GNTST_bad_page;
        }
    }
    return GNTST_okay;
}

GrantStatus GrantTable::activate_transitive(std::uint32_t ref, DomainId user, bool write, UseRecord& record)
{
    abi::grant_entry_v2* const entry = entry_v2(ref);
    std::uint32_t const& word = detail::header_word(entry);
    Header const seen{load_relaxed(word)};
    if (!is_transitive(seen, user, write))
        return GNTST_general_error;
    fetch_or(*status_of(ref), detail::use_bits(write)); // announced first, as in activate_v2()
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

void GrantTable::deactivate(std::uint32_t ref, UseRecord const& record)
{
    deactivate_here(ref, record);
}

AcquiredGrant GrantTable::acquire(DomainId user, GrantRef ref, GrantUse use, bool partial)
{
    return acquire_here(user, ref, use, partial);
}

GrantStatus GrantTable::acquire_transitive(DomainId user, GrantRef ref, GrantUse use, GrantBehind& out)
{
    Guard guard(lock_);
    if (ended_)
        return GNTST_bad_domain;
    if (version_ != 2)
        return GNTST_general_error;
    if (ref.raw() >= entry_count_)
        return GNTST_bad_gntref;
    UseRecord* record = existing_record(ref.raw());
    if (record == nullptr)
        record = new_record(ref.raw());
    if (record == nullptr)
        return GNTST_no_space;
    if (record->used() && (record->user != user || !record->transitive))
        return GNTST_general_error;
    if (record->full(use))
        return GNTST_no_space;
    if (!record->used() || (writes(use) && !record->written()))
        if (auto const status = activate_transitive(ref.raw(), user, writes(use), *record); status != GNTST_okay)
            return status;
    record->counts += UseRecord::one(use);
    record->user = user;
    out = GrantBehind{record->behind, GrantRef{record->behind_ref}};
    return GNTST_okay;
}

void GrantTable::release(GrantRef ref, GrantUse use)
{
    release_here(ref, use);
}

GrantStatus GrantTable::swap(GrantRef a, GrantRef b)
{
    Guard guard(lock_);
    if (a.raw() >= entry_count_ || b.raw() >= entry_count_)
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
