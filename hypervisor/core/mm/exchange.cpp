// SPDX-License-Identifier: MIT
// Trading frames. A frame to be given away first becomes unreachable (no owner, no count) in one step that only succeeds
// when its allocation is the only reference; if the trade fails it is put back as it was.
#include <core/mm/exchange.hpp>

#include <core/mm/allocator.hpp>
#include <core/mm/allocator_steps.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kUnreachable = static_cast<std::uint64_t>(kDomainInvalid.raw()) << FrameInfo::kOwnerShift;

Result<void> withdraw(Domain& domain, Mfn frame)
{
    FrameInfo* info = frame_info(frame);
    HV_REQUIRE(info != nullptr, Errno::Inval);
    std::uint64_t seen = load_relaxed(info->ownership);
    do
    {
        HV_REQUIRE((seen >> FrameInfo::kOwnerShift) == domain.id().raw() && (seen & FrameInfo::kFlagAllocated) != 0 &&
                       (seen & FrameInfo::kFlagSpecial) == 0,
                   Errno::Inval);
        HV_REQUIRE((seen & FrameInfo::kCountMask) == 1, Errno::Busy);
    } while (!compare_exchange(info->ownership, seen,
                               kUnreachable | FrameInfo::kFlagListed | (seen & FrameInfo::kFlagUncached)));
    return {};
}

void put_back(Domain& domain, Mfn frame)
{
    std::uint64_t& ownership = frame_info(frame)->ownership;
    store_release(ownership, (load_relaxed(ownership) & FrameInfo::kFlagUncached) |
                                 (static_cast<std::uint64_t>(domain.id().raw()) << FrameInfo::kOwnerShift) |
                                 FrameInfo::kFlagAllocated | FrameInfo::kFlagListed | 1);
}

} // namespace

Result<void> exchange_frames(Domain& domain, std::span<Mfn const> in, std::span<Mfn> out, unsigned order,
                             unsigned address_bits)
{
    std::size_t taken = 0;
    std::size_t given = 0;
    Errno error = Errno::None;
    for (; taken < in.size() && error == Errno::None; ++taken)
        if (auto const withdrawn = withdraw(domain, in[taken]); !withdrawn)
        {
            error = withdrawn.error();
            break;
        }
    for (; error == Errno::None && given < out.size(); ++given)
    {
        out[given] = take_cleared_block(order, address_bits);
        if (out[given] == kInvalidMfn)
        {
            error = Errno::NoMem;
            break;
        }
    }
    if (error != Errno::None)
    {
        while (given > 0)
            return_block(out[--given], order);
        while (taken > 0)
            put_back(domain, in[--taken]);
        return error;
    }
    replace_domain_frames(domain, in, out, order);
    return {};
}

} // namespace hv
