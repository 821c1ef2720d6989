// SPDX-License-Identifier: MIT
// XENMEM_exchange: a domain trades frames of its own for contiguous or low ones, all of them or none.
#include <hypercalls/handlers/memory.hpp>

#include <core/mm/allocator.hpp>
#include <core/mm/exchange.hpp>

namespace hv::handlers::memory_op
{
namespace
{

constexpr unsigned kControlMaxOrder = 12;
constexpr unsigned kGuestMaxOrder = 9;

struct FrameList // heap array of frames with the life of one call
{
    explicit FrameList(std::uint64_t count)
        : bytes(count * sizeof(Mfn)), frames(static_cast<Mfn*>(heap_allocate(bytes)))
    {
    }
    ~FrameList() { heap_free(frames, bytes); }
    FrameList(FrameList const&) = delete;
    std::size_t bytes;
    Mfn* frames;
};

Result<void> check(Caller const& caller, abi::xen_memory_exchange const& args)
{
    unsigned const max_order = caller.is_control() ? kControlMaxOrder : kGuestMaxOrder;
    HV_REQUIRE(args.nr_exchanged <= args.in.nr_extents, Errno::Inval);
    HV_REQUIRE(args.in.extent_order <= max_order && args.out.extent_order <= max_order, Errno::Perm);
    HV_REQUIRE(args.in.nr_extents <= (1ull << 40) >> args.in.extent_order &&
                   args.out.nr_extents <= (1ull << 40) >> args.out.extent_order &&
                   args.in.nr_extents << args.in.extent_order == args.out.nr_extents << args.out.extent_order,
               Errno::Inval);
    DomainId const subject{args.in.domid};
    HV_REQUIRE(args.in.domid == args.out.domid && (subject == kDomainSelf || subject == caller.domain().id()),
               Errno::Perm);
    return {};
}

// One group: 2^order frames in, in extents of one order and out extents of the other.
struct Group
{
    std::uint64_t in_extents, out_extents, frames;
};

CallResult exchange_group(Caller& caller, abi::xen_memory_exchange const& args, Group const& group, std::uint64_t index)
{
    Domain& domain = caller.domain();
    FrameList const in(group.frames), out(group.out_extents);
    HV_REQUIRE(in.frames != nullptr && out.frames != nullptr, Errno::NoMem);
    GuestIn<std::uint64_t> const in_list(reinterpret_cast<std::uint64_t>(args.in.extent_start.p));
    GuestInOut<std::uint64_t> const out_list(reinterpret_cast<std::uint64_t>(args.out.extent_start.p));
    for (std::uint64_t i = 0, n = 0; i < group.in_extents; ++i)
    {
        std::uint64_t const first = HV_TRY(in_list.read(index * group.in_extents + i));
        for (std::uint64_t j = 0; j < (1ull << args.in.extent_order); ++j)
            in.frames[n++] = domain.resolve(GuestFrame{first + j});
    }
    // Once the frames are traded there is no way back, so the list must take what goes there.
    for (std::uint64_t i = 0; i < group.out_extents; ++i)
    {
        std::uint64_t const pfn = HV_TRY(out_list.read(index * group.out_extents + i));
        HV_TRY_VOID(out_list.write(pfn, index * group.out_extents + i));
    }
    unsigned const bits = XENMEMF_get_address_bits(args.out.mem_flags);
    HV_TRY_VOID(exchange_frames(domain, {in.frames, group.frames}, {out.frames, group.out_extents},
                                args.out.extent_order, bits == 0 ? 64 : bits));
    for (std::uint64_t i = 0; i < group.out_extents; ++i)
    {
        std::uint64_t const position = index * group.out_extents + i;
        std::uint64_t const pfn = HV_TRY(out_list.read(position));
        for (std::uint64_t j = 0; j < (1ull << args.out.extent_order); ++j)
            store_relaxed(port::m2p()[(out.frames[i] + j).raw()], pfn + j);
        HV_TRY_VOID(out_list.write(domain.expose(out.frames[i]).raw(), position));
    }
    return std::int64_t{0};
}

} // namespace

// With an error, too, args.nr_exchanged says how much was done.
CallResult exchange(Caller& caller, abi::xen_memory_exchange& args)
{
    HV_TRY_VOID(check(caller, args));
    unsigned const in_order = args.in.extent_order;
    unsigned const out_order = args.out.extent_order;
    unsigned const order = in_order > out_order ? in_order : out_order;
    Group const group{1ull << (order - in_order), 1ull << (order - out_order), 1ull << order};
    HV_REQUIRE(args.in.nr_extents % group.in_extents == 0 && args.nr_exchanged % group.in_extents == 0, Errno::Inval);
    while (args.nr_exchanged < args.in.nr_extents)
    {
        (void)HV_TRY(exchange_group(caller, args, group, args.nr_exchanged / group.in_extents));
        args.nr_exchanged += group.in_extents;
        if (args.nr_exchanged < args.in.nr_extents && caller.spend(static_cast<std::int32_t>(8 * group.frames)))
            return Errno::Restart;
    }
    return std::int64_t{0};
}

} // namespace hv::handlers::memory_op
