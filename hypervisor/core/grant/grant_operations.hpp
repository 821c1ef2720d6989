// SPDX-License-Identifier: MIT
// The operations on grants that involve two domains: mapping, unmapping and copying.
#pragma once

#include <core/grant/grant_table.hpp>

#include <cstdint>
#include <span>

namespace hv::grant
{

// Whose grants operations name. Those of one list mostly name the same domain, which stays held until they name another.
class Granter
{
public:
    // The domain with a grant table that `id` names; nullptr when there is none.
    [[gnu::always_inline]] Domain* find(Domain& caller, DomainId id)
    {
        if (id == kDomainSelf)
            id = caller.id();
        if (!domain_ || domain_->id() != id) [[unlikely]]
            domain_ = find_domain(caller, id);
        return domain_ && domain_->grants != nullptr ? domain_.get() : nullptr;
    }
    // What find() found last.
    [[nodiscard]] Domain& found() const { return *domain_; }

private:
    DomainRef domain_;
};

// The operations of one GNTTABOP_map_grant_ref, by the current vCPU.
class Mapper
{
public:
    explicit Mapper(Vcpu& mapper) : mapper_(mapper) {}
    // Fills handle and dev_bus_addr; returns the status.
    GrantStatus map(abi::gnttab_map_grant_ref& operation);

private:
    GrantStatus install(abi::gnttab_map_grant_ref const& operation, Mfn frame);

    Vcpu& mapper_;
    Granter granter_;
};

// One mapping on its way out: page-table entries are gone, but TLBs may still know it. finish_unmaps() ends it.
struct PendingUnmap
{
    GrantMapping* mapping; // claimed
    std::uint64_t address; // guest virtual address of the host mapping, 0 when it is not known
    std::uint32_t ending;  // uses that end; 0: nothing is left to do
};

// First half of GNTTABOP_unmap_grant_ref. On GNTST_okay `pending` must be given to finish_unmaps().
GrantStatus begin_unmap(Vcpu& mapper, abi::gnttab_unmap_grant_ref const& operation, PendingUnmap& pending);
// First half of GNTTABOP_unmap_and_replace: the entry at new_addr moves to host_addr.
GrantStatus begin_replace(Vcpu& mapper, abi::gnttab_unmap_and_replace const& operation, PendingUnmap& pending);
// Second half, for a batch: flushes TLBs once, then gives references and handles back.
void finish_unmaps(Vcpu& mapper, std::span<PendingUnmap> pending);

// One end of a copy: a page, and the part of it that may be copied, held until another is opened or the object ends.
template<GrantUse kUse>
class CopyEnd
{
public:
    using Name = abi::gnttab_copy::gnttab_copy_ptr;

    CopyEnd() = default;
    CopyEnd(CopyEnd const&) = delete;
    CopyEnd& operator=(CopyEnd const&) = delete;
    ~CopyEnd()
    {
        if (held())
            close();
    }

    // Holds the page that `end` names, by grant reference or as a frame of the caller's own.
    [[gnu::always_inline]] GrantStatus open(Domain& caller, Name const& end, bool by_reference);
    // Whether `end` has the names of what is held. Looks at all of the name's word: bits beside a reference that differ
    // make it no more than opened again.
    [[nodiscard]] bool named(Name const& end) const { return name_ == end.u.gmfn && domain_ == end.domid; }
    // Whether what is held reaches so far. Nothing held: never.
    [[nodiscard]] bool covers(std::uint32_t offset, std::uint32_t length) const
    {
        return offset >= first_ && offset + length <= end_;
    }
    [[nodiscard]] std::byte* data() const { return data_; }

private:
    [[nodiscard]] bool held() const { return first_ <= end_; }
    [[nodiscard]] GrantRef ref() const { return GrantRef{static_cast<std::uint32_t>(name_)}; }
    void close(); // what is held
    GrantStatus open_grant(Domain& caller);
    [[gnu::noinline]] AcquiredGrant open_passed_on(Domain& caller);
    GrantStatus open_own(Domain& caller);
    void hold(Mfn frame, std::uint32_t offset, std::uint32_t length);

    std::uint32_t first_ = 1; // the part that may be copied; behind its end: nothing is held
    std::uint32_t end_ = 0;
    std::uint64_t name_ = 0; // as it was given
    abi::domid_t domain_ = 0;
    bool by_reference_;
    abi::domid_t behind_; // of a grant that is transitive: whose grant it stands for, else DOMID_INVALID
    std::uint32_t behind_ref_;
    std::byte* data_;
    Mfn frame_;
    Granter granter_;
};

// The segments of one GNTTABOP_copy. Consecutive ones mostly name the same pages, so both ends stay open in between.
class Copier
{
public:
    explicit Copier(Domain& caller) : caller_(caller) {}
    GrantStatus copy(abi::gnttab_copy const& operation);

private:
    [[nodiscard]] bool is_open(abi::gnttab_copy const& operation) const;
    GrantStatus open(abi::gnttab_copy const& operation);

    Domain& caller_;
    std::uint16_t flags_; // those with which the ends were opened, unless one of them covers nothing
    CopyEnd<GrantUse::HostRead> source_;
    CopyEnd<GrantUse::HostWrite> destination_;
};

// Ends `uses` (GNTMAP_host_map, GNTMAP_device_map) of a claimed mapping, TLBs being clean: counts and references.
void end_uses(GrantMapping& mapping, std::uint32_t uses);

} // namespace hv::grant
