// SPDX-License-Identifier: MIT
// What the batched MMU calls share: whose frames, and exact progress.
#include <hypercalls/handlers/mmu.hpp>

namespace hv::handlers
{

Result<void> resolve_named_owner(Caller& caller, DomainId id, FrameOwner& owner)
{
    // Device memory is checked per frame against the caller's rights; RAM stays the caller's own.
    if (id == caller.domain().id() || id == kDomainIo)
        return {};
    HV_REQUIRE(caller.is_control(), Errno::Perm);
    owner.id = id;
    owner.foreign = true;
    if (id == kDomainXen)
        return {};
    owner.domain = find_domain(id);
    HV_REQUIRE(static_cast<bool>(owner.domain), Errno::Srch);
    return {};
}

CallResult BatchProgress::tell(Errno error)
{
    if (done_ != 0)
        HV_TRY_VOID(GuestOut<std::uint32_t>(done_).write(earlier_ + completed_));
    if (error == Errno::Restart)
    {
        caller_.resume_with(0, list_ + completed_ * element_size_);
        caller_.resume_with(1, (count_ - completed_) | kPreempted);
    }
    if (error != Errno::None)
        return error;
    return std::int64_t{0};
}

} // namespace hv::handlers
