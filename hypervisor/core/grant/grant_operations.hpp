// SPDX-License-Identifier: MIT
// The operations on grants that involve two domains: mapping, unmapping and copying.
#pragma once

#include <core/grant/grant_table.hpp>

#include <cstdint>
#include <span>

namespace hv::grant
{

// GNTTABOP_map_grant_ref for the current vCPU's domain. Fills handle and dev_bus_addr; returns the status.
GrantStatus map(Vcpu& mapper, abi::gnttab_map_grant_ref& operation);

// One mapping on its way out: page-table entries are gone, but TLBs may still know it. finish_unmaps() ends it.
struct PendingUnmap
{
    std::uint32_t handle = 0;
    std::uint32_t ending = 0;  // uses that end; 0: nothing is left to do
    std::uint64_t address = 0; // guest virtual address of the host mapping, 0 when it is not known
    GrantMapping mapping{};
};

// First half of GNTTABOP_unmap_grant_ref. On GNTST_okay `pending` must be given to finish_unmaps().
GrantStatus begin_unmap(Vcpu& mapper, abi::gnttab_unmap_grant_ref const& operation, PendingUnmap& pending);
// First half of GNTTABOP_unmap_and_replace: the entry at new_addr moves to host_addr.
GrantStatus begin_replace(Vcpu& mapper, abi::gnttab_unmap_and_replace const& operation, PendingUnmap& pending);
// Second half, for a batch: flushes TLBs once, then gives references and handles back.
void finish_unmaps(Vcpu& mapper, std::span<PendingUnmap> pending);

// One end of a copy: a page, and the part of it that may be copied, held until another is opened or the object ends.
class CopyEnd
{
public:
    explicit CopyEnd(bool write) : write_(write) {}
    CopyEnd(CopyEnd const&) = delete;
    CopyEnd& operator=(CopyEnd const&) = delete;
    ~CopyEnd() { close(); }

    // The page that `end` names, by grant reference or as a frame of the caller's own.
    [[gnu::always_inline]] GrantStatus open(Domain& caller, abi::gnttab_copy::gnttab_copy_ptr const& end,
                                            bool by_reference)
    {
        std::uint64_t const name = by_reference ? end.u.ref : end.u.gmfn;
        if (held_ && name_ == name && domain_.raw() == end.domid && by_reference_ == by_reference) [[likely]]
            return GNTST_okay;
        return open_another(caller, DomainId{end.domid}, name, by_reference);
    }
    [[nodiscard]] bool covers(std::uint32_t offset, std::uint32_t length) const
    {
        return offset >= grant_.offset && offset + length <= std::uint32_t{grant_.offset} + grant_.length;
    }
    [[nodiscard]] std::byte* data() const;

private:
    [[nodiscard]] GrantUse use() const;
    void close();
    GrantStatus open_another(Domain& caller, DomainId domain, std::uint64_t name, bool by_reference);
    GrantStatus open_grant(Domain& caller, DomainId granter, GrantRef ref);
    GrantStatus open_passed_on(Domain& caller, GrantStatus refused);
    GrantStatus open_own(Domain& caller, DomainId owner, GuestFrame frame);

    bool const write_;
    bool held_ = false;
    bool by_reference_ = false; // what is held: the grant `name_` of `domain_`, or its frame `name_`
    DomainId domain_{};
    std::uint64_t name_ = 0;
    AcquiredGrant grant_{};
    DomainRef granter_; // whose grant `ref_` it is; empty for an own frame
    GrantRef ref_{};
    DomainRef passed_on_by_; // whose transitive entry led to the grant
    GrantRef passed_on_as_{};
};

// The segments of one GNTTABOP_copy. Consecutive ones mostly name the same pages, so both ends stay open in between.
class Copier
{
public:
    explicit Copier(Domain& caller) : caller_(caller) {}
    GrantStatus copy(abi::gnttab_copy const& operation);

private:
    Domain& caller_;
    CopyEnd source_{false};
    CopyEnd destination_{true};
};

// Ends `uses` (GNTMAP_host_map, GNTMAP_device_map) of a claimed mapping, TLBs being clean: counts and references.
void end_uses(GrantMapping& mapping, std::uint32_t uses);

} // namespace hv::grant
