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

// Their machine-to-phys entries: extent n becomes numbers[n]... or invalid. What the list is to say of them takes that place.
void name_frames(Domain& domain, DomainExtents const& extents, unsigned order, std::uint64_t* numbers, bool pfns_known)
{
    std::uint64_t const frames = 1ull << order;
    std::uint64_t* entry = port::m2p() + extents.first.raw();
    Mfn first = extents.first;
    for (std::uint64_t n = 0; n < extents.count; ++n)
    {
        std::uint64_t pfn = pfns_known ? numbers[n] : ~0ull;
        for (std::uint64_t const* const end = entry + frames; entry != end; pfn += pfns_known)
            store_relaxed(*entry++, pfn);
        numbers[n] = domain.expose(first).raw();
        first = first + frames;
    }
}

// How many of `count` numbers reach the list, from entry `first` on.
std::uint64_t write_numbers(GuestOut<std::uint64_t> list, std::uint64_t const* numbers, std::uint64_t first,
                            std::uint64_t count)
{
    if (list.write_array(numbers, first, count)) [[likely]]
        return count;
    std::uint64_t written = 0;
    while (written < count && list.write(numbers[written], first + written))
        ++written;
    return written;
}

// Adds the extents [start, nr_extents) of the list to a domain's memory, in runs. The outcome is that of one after the other,
// whatever goes wrong with any of them.
CallResult add_extents(Caller& caller, unsigned operation, abi::xen_memory_reservation const& args, std::uint64_t start,
                       bool pfns_known)
{
    unsigned const order = args.extent_order;
    HV_REQUIRE(order <= max_order(caller), Errno::Perm);
    DomainRef subject;
    HV_TRY_VOID(find_subject(caller, args.domid, subject));
    std::uint64_t const count = args.nr_extents;
    HV_REQUIRE(count < (1ull << 57), Errno::Inval);
    GuestIn<std::uint64_t> const pfns(reinterpret_cast<std::uint64_t>(args.extent_start.p));
    GuestOut<std::uint64_t> const list(reinterpret_cast<std::uint64_t>(args.extent_start.p));
    std::uint64_t done = start;
    while (done < count)
    {
        std::uint64_t numbers[kRunFrames];
        std::uint64_t wanted = (kRunFrames >> order) > 1 ? kRunFrames >> order : 1;
        wanted = wanted < count - done ? wanted : count - done;
        if (pfns_known && !pfns.read_array(numbers, done, wanted)) [[unlikely]]
        {
            wanted = 1; // those before the one that cannot be read
            if (!pfns.read_array(numbers, done, wanted))
                break;
        }
        auto const added = allocate_domain_extents(*subject, order, address_bits(args.mem_flags), wanted);
        if (!added)
            break;
        DomainExtents const extents = added.value();
        name_frames(*subject, extents, order, numbers, pfns_known);
        std::uint64_t const written =
            pfns_known || !list.null() ? write_numbers(list, numbers, done, extents.count) : extents.count;
        done += written;
        if (written != extents.count) [[unlikely]]
        {
            withdraw_domain_extents(*subject, extents, order, written + 1); // the one that nobody hears of stays
            break;
        }
        if (caller.spend(static_cast<std::int32_t>(written) * (kUnitsPerFrame << order)) && done < count)
        {
            caller.resume_with(0, operation | (done << 6));
            return Errno::Restart;
        }
    }
    return static_cast<std::int64_t>(done);
}

} // namespace

CallResult increase_reservation(Caller& caller, abi::xen_memory_reservation const& args, std::uint64_t start)
{
    return add_extents(caller, XENMEM_increase_reservation, args, start, false);
}

CallResult populate_physmap(Caller& caller, abi::xen_memory_reservation const& args, std::uint64_t start)
{
    return add_extents(caller, XENMEM_populate_physmap, args, start, true);
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
