// SPDX-License-Identifier: MIT
// GNTTABOP_copy: bytes between a granted or own page and another.
#include <core/grant/grant_operations.hpp>
#include <core/mm/frame.hpp>
#include <port/port.hpp>

#include <utility>

namespace hv::grant
{
namespace
{

// One end of a copy, held for its duration.
class CopyEnd
{
public:
    CopyEnd() = default;
    CopyEnd(CopyEnd const&) = delete;
    CopyEnd& operator=(CopyEnd const&) = delete;

    ~CopyEnd()
    {
        if (passed_on_by_)
            passed_on_by_->grants->release(passed_on_as_, use());
        if (!held_)
            return;
        if (write_)
            put_writable(grant_.frame);
        else
            put_frame(grant_.frame);
        if (granter_)
            granter_->grants->release(ref_, use());
    }

    GrantStatus open(Domain& caller, abi::gnttab_copy::gnttab_copy_ptr const& end, bool by_reference, bool write)
    {
        write_ = write;
        return by_reference ? open_grant(caller, end) : open_own(caller, end);
    }

    // Whether the `length` bytes from `offset` of the page are granted.
    [[nodiscard]] bool covers(std::uint32_t offset, std::uint32_t length) const
    {
        return offset >= grant_.offset && offset + length <= std::uint32_t{grant_.offset} + grant_.length;
    }

    [[nodiscard]] std::byte* data() const { return port::frame_data(grant_.frame); }

private:
    GrantStatus open_grant(Domain& caller, abi::gnttab_copy::gnttab_copy_ptr const& end)
    {
        granter_ = find_domain(caller, DomainId{end.domid});
        if (!granter_ || granter_->grants == nullptr)
            return GNTST_bad_domain;
        ref_ = GrantRef{end.u.ref};
        GrantStatus const status = granter_->grants->acquire(caller.id(), ref_, use(), true, grant_);
        held_ = status == GNTST_okay;
        return status == GNTST_general_error ? open_passed_on(caller, status) : status;
    }

    // The entry may pass on what its domain was granted by another. Once: that grant has to be one of memory.
    GrantStatus open_passed_on(Domain& caller, GrantStatus refused)
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
        GrantStatus const status = granter_->grants->acquire(passed_on_by_->id(), ref_, use(), true, grant_);
        held_ = status == GNTST_okay;
        return status;
    }

    [[nodiscard]] GrantUse use() const { return write_ ? GrantUse::HostWrite : GrantUse::HostRead; }

    GrantStatus open_own(Domain& caller, abi::gnttab_copy::gnttab_copy_ptr const& end)
    {
        DomainId const owner{end.domid};
        if (owner != kDomainSelf && owner != caller.id())
            return GNTST_permission_denied;
        grant_.frame = caller.resolve(GuestFrame{end.u.gmfn});
        grant_.length = kPageSize;
        held_ =
            write_ ? static_cast<bool>(get_writable(grant_.frame, caller.id())) : get_frame(grant_.frame, caller.id());
        return held_ ? GNTST_okay : GNTST_bad_page;
    }

    AcquiredGrant grant_{};
    DomainRef granter_;
    GrantRef ref_{};
    DomainRef passed_on_by_; // whose transitive entry led to the grant
    GrantRef passed_on_as_{};
    bool write_ = false;
    bool held_ = false;
};

} // namespace

GrantStatus copy(Vcpu& caller, abi::gnttab_copy const& operation)
{
    std::uint32_t const length = operation.len;
    std::uint32_t const from = operation.source.offset;
    std::uint32_t const to = operation.dest.offset;
    if (from + length > kPageSize || to + length > kPageSize)
        return GNTST_bad_copy_arg;
    Domain& domain = caller.domain();
    CopyEnd source;
    CopyEnd destination;
    if (auto const status = source.open(domain, operation.source, (operation.flags & GNTCOPY_source_gref) != 0, false);
        status != GNTST_okay)
        return status;
    if (auto const status = destination.open(domain, operation.dest, (operation.flags & GNTCOPY_dest_gref) != 0, true);
        status != GNTST_okay)
        return status;
    if (!source.covers(from, length) || !destination.covers(to, length))
        return GNTST_general_error;
    __builtin_memmove(destination.data() + to, source.data() + from, length);
    return GNTST_okay;
}

} // namespace hv::grant
