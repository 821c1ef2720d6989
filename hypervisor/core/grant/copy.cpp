// SPDX-License-Identifier: MIT
// GNTTABOP_copy: bytes between a granted or own page and another.
#include <core/domain/lifecycle.hpp>
#include <core/grant/grant_operations.hpp>
#include <core/grant/use.hpp>
#include <port/port.hpp>

namespace hv::grant
{

template<GrantUse kUse>
void CopyEnd<kUse>::close()
{
    if (by_reference_)
    {
        granter_.found().grants->release_here(ref(), kUse);
        // Until it is dropped, the frame counts as a reference of its domain.
        if (behind_ != DOMID_INVALID) [[unlikely]]
            domain_of_frame(DomainId{behind_})->grants->release(GrantRef{behind_ref_}, kUse);
    }
    first_ = 1;
    end_ = 0;
    drop_use(frame_, writes(kUse));
}

template<GrantUse kUse>
[[gnu::always_inline]] inline void CopyEnd<kUse>::hold(Mfn frame, std::uint32_t offset, std::uint32_t length)
{
    first_ = offset;
    end_ = offset + length;
    frame_ = frame;
    data_ = port::frame_data(frame);
}

template<GrantUse kUse>
[[gnu::always_inline]] inline GrantStatus CopyEnd<kUse>::open_grant(Domain& caller)
{
    Domain* const owner = granter_.find(caller, DomainId{domain_});
    if (owner == nullptr) [[unlikely]]
        return GNTST_bad_domain;
    behind_ = DOMID_INVALID;
    AcquiredGrant grant = owner->grants->acquire_here(caller.id(), ref(), kUse, true);
    if (grant.status == GNTST_general_error) [[unlikely]]
        grant = open_passed_on(caller);
    if (grant.status == GNTST_okay) [[likely]]
        hold(grant.frame, grant.offset, grant.length);
    return grant.status;
}

// The entry may pass on what its domain was granted by another. Once: that grant has to be one of memory.
template<GrantUse kUse>
[[gnu::noinline]] AcquiredGrant CopyEnd<kUse>::open_passed_on(Domain& caller)
{
    Domain& by = granter_.found();
    GrantBehind behind;
    if (by.grants->acquire_transitive(caller.id(), ref(), kUse, behind) != GNTST_okay)
        return {GNTST_general_error};
    DomainRef const granter = find_domain(behind.granter);
    AcquiredGrant grant{GNTST_bad_domain};
    if (granter && granter->grants != nullptr)
        grant = granter->grants->acquire(by.id(), behind.ref, kUse, true);
    if (grant.status == GNTST_okay)
    {
        behind_ = behind.granter.raw();
        behind_ref_ = behind.ref.raw();
    }
    else
    {
        by.grants->release(ref(), kUse);
    }
    return grant;
}

template<GrantUse kUse>
[[gnu::always_inline]] inline GrantStatus CopyEnd<kUse>::open_own(Domain& caller)
{
    if (domain_ != DOMID_SELF && domain_ != caller.id().raw()) [[unlikely]]
        return GNTST_permission_denied;
    Mfn const frame = caller.resolve(GuestFrame{name_});
    if (!take_use(frame, caller.id(), writes(kUse))) [[unlikely]]
        return GNTST_bad_page;
    hold(frame, 0, kPageSize);
    return GNTST_okay;
}

template<GrantUse kUse>
inline GrantStatus CopyEnd<kUse>::open(Domain& caller, Name const& end, bool by_reference)
{
    if (held())
    {
        if (named(end) && by_reference_ == by_reference)
            return GNTST_okay;
        close();
    }
    name_ = end.u.gmfn;
    domain_ = end.domid;
    by_reference_ = by_reference;
    return by_reference ? open_grant(caller) : open_own(caller);
}

// Both ends hold what the operation names and cover what it asks for, which then lies within their pages, too.
[[gnu::always_inline]] inline bool Copier::is_open(abi::gnttab_copy const& operation) const
{
    return source_.named(operation.source) && destination_.named(operation.dest) &&
           source_.covers(operation.source.offset, operation.len) &&
           destination_.covers(operation.dest.offset, operation.len) && flags_ == operation.flags;
}

[[gnu::noinline]] GrantStatus Copier::open(abi::gnttab_copy const& operation)
{
    std::uint32_t const length = operation.len;
    if (operation.source.offset + length > kPageSize || operation.dest.offset + length > kPageSize) [[unlikely]]
        return GNTST_bad_copy_arg;
    bool const source_granted = (operation.flags & GNTCOPY_source_gref) != 0;
    if (auto const status = source_.open(caller_, operation.source, source_granted); status != GNTST_okay)
        return status;
    bool const destination_granted = (operation.flags & GNTCOPY_dest_gref) != 0;
    if (auto const status = destination_.open(caller_, operation.dest, destination_granted); status != GNTST_okay)
        return status;
    flags_ = operation.flags;
    bool const covered =
        source_.covers(operation.source.offset, length) && destination_.covers(operation.dest.offset, length);
    return covered ? GNTST_okay : GNTST_general_error;
}

GrantStatus Copier::copy(abi::gnttab_copy const& operation)
{
    if (!is_open(operation))
        if (auto const status = open(operation); status != GNTST_okay) [[unlikely]]
            return status;
    std::byte* const to = destination_.data() + operation.dest.offset;
    __builtin_memmove(to, source_.data() + operation.source.offset, operation.len); // both can be parts of one page
    return GNTST_okay;
}

template class CopyEnd<GrantUse::HostRead>;
template class CopyEnd<GrantUse::HostWrite>;

} // namespace hv::grant
