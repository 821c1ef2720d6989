// SPDX-License-Identifier: MIT
// memory_op: adding and giving back memory.
#include <hypercalls/handlers/memory.hpp>

#include <hypercalls/dispatch/groups.hpp>

#include <core/mm/allocator.hpp>

namespace hv::handlers
{

CallResult memory_op_call(Caller& caller, std::uint64_t operation, std::uint64_t argument)
{
    return groups::memory_op(operation & 63, argument, operation >> 6, caller);
}

Result<void> find_subject(Caller& caller, abi::domid_t id, DomainRef& subject)
{
    DomainId const wanted{id};
    HV_REQUIRE(wanted == kDomainSelf || wanted == caller.domain().id() || caller.is_control(), Errno::Perm);
    subject = find_domain(caller.domain(), wanted);
    HV_REQUIRE(static_cast<bool>(subject), Errno::Srch);
    return {};
}

namespace memory_op
{
namespace
{

constexpr unsigned kControlMaxOrder = 12;
constexpr unsigned kGuestMaxOrder = 9;
constexpr std::int32_t kUnitsPerFrame = 8; // clearing included

unsigned max_order(Caller const& caller)
{
    return caller.is_control() ? kControlMaxOrder : kGuestMaxOrder;
}

unsigned address_bits(std::uint32_t memory_flags)
{
    unsigned const bits = XENMEMF_get_address_bits(memory_flags);
    return bits == 0 ? 64 : bits;
}

// Walks the extents from where an earlier run stopped. `one(index)` returns false to stop short. The result is the
// number of extents done; Restart saves it in the operation word.
template<typename F>
CallResult for_each_extent(Caller& caller, unsigned operation, abi::xen_memory_reservation const& args,
                           std::uint64_t start, F&& one)
{
    std::uint64_t const count = args.nr_extents;
    HV_REQUIRE(count < (1ull << 57), Errno::Inval);
    for (std::uint64_t i = start; i < count; ++i)
    {
        if (!one(i))
            return static_cast<std::int64_t>(i);
        if (i + 1 < count && caller.spend(kUnitsPerFrame << args.extent_order))
        {
            caller.resume_with(0, operation | ((i + 1) << 6));
            return Errno::Restart;
        }
    }
    return static_cast<std::int64_t>(count < start ? start : count);
}

// One extent for `domain`; its machine-to-phys entries become `first_pfn`..., or invalid when `pfn_known` is false.
Result<Mfn> add_extent(Domain& domain, abi::xen_memory_reservation const& args, bool pfn_known, std::uint64_t first_pfn)
{
    Mfn const first = HV_TRY(allocate_domain_frames(domain, args.extent_order, address_bits(args.mem_flags)));
    for (std::uint64_t i = 0; i < (1ull << args.extent_order); ++i)
        store_relaxed(port::m2p()[(first + i).raw()], pfn_known ? first_pfn + i : ~0ull);
    return first;
}

} // namespace

CallResult increase_reservation(Caller& caller, abi::xen_memory_reservation const& args, std::uint64_t start)
{
    HV_REQUIRE(args.extent_order <= max_order(caller), Errno::Perm);
    DomainRef subject;
    HV_TRY_VOID(find_subject(caller, args.domid, subject));
    GuestOut<std::uint64_t> const list(reinterpret_cast<std::uint64_t>(args.extent_start.p));
    return for_each_extent(caller, XENMEM_increase_reservation, args, start, [&](std::uint64_t i) {
        auto const first = add_extent(*subject, args, false, 0);
        return first && (list.null() || list.write(subject->expose(first.value()).raw(), i));
    });
}

CallResult populate_physmap(Caller& caller, abi::xen_memory_reservation const& args, std::uint64_t start)
{
    HV_REQUIRE(args.extent_order <= max_order(caller), Errno::Perm);
    DomainRef subject;
    HV_TRY_VOID(find_subject(caller, args.domid, subject));
    GuestInOut<std::uint64_t> const list(reinterpret_cast<std::uint64_t>(args.extent_start.p));
    return for_each_extent(caller, XENMEM_populate_physmap, args, start, [&](std::uint64_t i) {
        auto const pfn = list.read(i);
        if (!pfn)
            return false;
        auto const first = add_extent(*subject, args, true, pfn.value());
        return first && list.write(subject->expose(first.value()).raw(), i);
    });
}

CallResult decrease_reservation(Caller& caller, abi::xen_memory_reservation const& args, std::uint64_t start)
{
    HV_REQUIRE(args.extent_order <= max_order(caller), Errno::Perm);
    DomainRef subject;
    HV_TRY_VOID(find_subject(caller, args.domid, subject));
    GuestIn<std::uint64_t> const list(reinterpret_cast<std::uint64_t>(args.extent_start.p));
    return for_each_extent(caller, XENMEM_decrease_reservation, args, start, [&](std::uint64_t i) {
        auto const first = list.read(i);
        if (!first)
            return false;
        for (std::uint64_t j = 0; j < (1ull << args.extent_order); ++j)
            if (!release_domain_frame(*subject, subject->resolve(GuestFrame{first.value() + j}), true))
                return false;
        return true;
    });
}

CallResult claim_pages(Caller& caller, abi::xen_memory_reservation const& args)
{
    HV_REQUIRE(args.extent_order == 0 && args.mem_flags == 0, Errno::Inval);
    DomainRef subject;
    HV_TRY_VOID(find_subject(caller, args.domid, subject));
    HV_TRY_VOID(claim_frames(*subject, args.nr_extents));
    return std::int64_t{0};
}

} // namespace memory_op
} // namespace hv::handlers
