// SPDX-License-Identifier: MIT
// GNTTABOP_copy: bytes between a granted or own page and another.
#include <core/grant/grant_operations.hpp>
#include <core/mm/frame.hpp>
#include <port/port.hpp>

#include <utility>

namespace hv::grant
{

GrantUse CopyEnd::use() const
{
    return write_ ? GrantUse::HostWrite : GrantUse::HostRead;
}

// Gives back what is held, also after an open that failed half-way.
void CopyEnd::close()
{
    if (passed_on_by_) [[unlikely]]
    {
        passed_on_by_->grants->release(passed_on_as_, use());
        passed_on_by_ = DomainRef();
    }
    if (held_)
    {
        held_ = false;
        if (write_)
            put_writable(grant_.frame);
        else
            put_frame(grant_.frame);
        if (granter_)
            granter_->grants->release(ref_, use());
    }
    if (granter_)
        granter_ = DomainRef();
}

std::byte* CopyEnd::data() const
{
    return port::frame_data(grant_.frame);
}

GrantStatus CopyEnd::open_grant(Domain& caller, DomainId granter, GrantRef ref)
{
    granter_ = find_domain(caller, granter);
    if (!granter_ || granter_->grants == nullptr)
        return GNTST_bad_domain;
    ref_ = ref;
    GrantStatus const status = granter_->grants->acquire(caller.id(), ref_, use(), true, grant_);
    return status == GNTST_general_error ? open_passed_on(caller, status) : status;
}

// The entry may pass on what its domain was granted by another. Once: that grant has to be one of memory.
GrantStatus CopyEnd::open_passed_on(Domain& caller, GrantStatus refused)
{
    GrantBehind behind;
    if (granter_->grants->acquire_transitive(caller.id(), ref_, use(), behind) != GNTST_okay)
        return refused;
    passed_on_by_ = std::move(granter_);
    passed_on_as_ = ref_;
    granter_ = find_domain(behind.granter);
    if (!granter_ || granter_->grants == nullptr)
        return GNTST_bad_domain;
    ref_ = behind.ref;
    return granter_->grants->acquire(passed_on_by_->id(), ref_, use(), true, grant_);
}

GrantStatus CopyEnd::open_own(Domain& caller, DomainId owner, GuestFrame frame)
{
    if (owner != kDomainSelf && owner != caller.id())
        return GNTST_permission_denied;
    grant_ = AcquiredGrant{caller.resolve(frame), 0, kPageSize};
    bool const taken =
        write_ ? static_cast<bool>(get_writable(grant_.frame, caller.id())) : get_frame(grant_.frame, caller.id());
    return taken ? GNTST_okay : GNTST_bad_page;
}

GrantStatus CopyEnd::open_another(Domain& caller, DomainId domain, std::uint64_t name, bool by_reference)
{
    close();
    by_reference_ = by_reference;
    domain_ = domain;
    name_ = name;
    GrantStatus const status = by_reference ? open_grant(caller, domain, GrantRef{static_cast<std::uint32_t>(name)})
                                            : open_own(caller, domain, GuestFrame{name});
    held_ = status == GNTST_okay;
    return status;
}

GrantStatus Copier::copy(abi::gnttab_copy const& operation)
{
    std::uint32_t const length = operation.len;
    std::uint32_t const from = operation.source.offset;
    std::uint32_t const to = operation.dest.offset;
    if (from + length > kPageSize || to + length > kPageSize)
        return GNTST_bad_copy_arg;
    bool const source_granted = (operation.flags & GNTCOPY_source_gref) != 0;
    if (auto const status = source_.open(caller_, operation.source, source_granted); status != GNTST_okay)
        return status;
    bool const destination_granted = (operation.flags & GNTCOPY_dest_gref) != 0;
    if (auto const status = destination_.open(caller_, operation.dest, destination_granted); status != GNTST_okay)
        return status;
    if (!source_.covers(from, length) || !destination_.covers(to, length))
        return GNTST_general_error;
    __builtin_memmove(destination_.data() + to, source_.data() + from, length); // both can be parts of one page
    return GNTST_okay;
}

} // namespace hv::grant
