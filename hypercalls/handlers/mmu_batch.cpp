// SPDX-License-Identifier: MIT
// What the batched MMU calls share: whose frames, and exact progress.
#include <hypercalls/handlers/mmu.hpp>

namespace hv::handlers
{

Result<void> resolve_frame_owner(Caller& caller, std::uint32_t foreign_domain, FrameOwner& owner)
{
    DomainId const id{static_cast<std::uint16_t>(foreign_domain)};
    if (id == kDomainSelf || id == caller.domain().id())
    {
        owner.id = caller.domain().id();
        return {};
    }
    if (id == kDomainIo)
    {
        // Device memory is checked per frame against the caller's rights; RAM stays the caller's own.
        owner.id = caller.domain().id();
        return {};
    }
    HV_REQUIRE(caller.is_control(), Errno::Perm);
    owner.id = id;
    owner.foreign = true;
    if (id == kDomainXen)
        return {};
    owner.domain = find_domain(id);
    HV_REQUIRE(static_cast<bool>(owner.domain), Errno::Srch);
    return {};
}

BatchProgress::BatchProgress(Caller& caller, std::uint64_t element_size) : caller_(caller), element_size_(element_size)
{
    count_ = static_cast<std::uint32_t>(caller.args.value[1] & ~kPreempted);
}

Result<void> BatchProgress::begin()
{
    if ((caller_.args.value[1] & kPreempted) == 0 || caller_.args.value[2] == 0)
        return {};
    earlier_ = HV_TRY(GuestIn<std::uint32_t>(caller_.args.value[2]).read());
    return {};
}

CallResult BatchProgress::finish(Errno error)
{
    if (caller_.args.value[2] != 0)
        HV_TRY_VOID(GuestOut<std::uint32_t>(caller_.args.value[2]).write(earlier_ + completed_));
    if (error == Errno::Restart)
    {
        caller_.args.value[0] += completed_ * element_size_;
        caller_.args.value[1] = (count_ - completed_) | kPreempted;
    }
    if (error != Errno::None)
        return error;
    return std::int64_t{0};
}

} // namespace hv::handlers
