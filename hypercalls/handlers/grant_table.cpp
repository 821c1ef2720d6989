// SPDX-License-Identifier: MIT
// grant_table_op: the table itself (size, version, entries).
#include <core/grant/grant_table.hpp>
#include <core/mm/frame.hpp>
#include <hypercalls/dispatch/groups.hpp>
#include <hypercalls/handlers/grant_batch.hpp>
#include <hypercalls/handlers/grant_table.hpp>

namespace hv::handlers
{
namespace
{

// The table that an operation names, with its status when there is none.
struct NamedTable
{
    DomainRef domain;
    GrantStatus status = GNTST_okay;
    [[nodiscard]] GrantTable& table() const { return *domain->grants; }
};

NamedTable find_table(Caller& caller, abi::domid_t id)
{
    NamedTable named;
    named.domain = find_domain(caller.domain(), DomainId{id});
    if (!named.domain || named.domain->grants == nullptr)
        named.status = GNTST_bad_domain;
    else if (named.domain.get() != &caller.domain() && !caller.is_control())
        named.status = GNTST_permission_denied;
    return named;
}

Result<void> require_single(std::uint64_t count)
{
    HV_REQUIRE((count & 0xffffffff) == 1, Errno::Inval);
    return {};
}

// Writes the guest's names for the first `count` frames of a kind to its list.
template<typename F>
GrantStatus write_frame_list(Domain const& domain, std::uint64_t list, std::uint32_t count, F&& frame_at)
{
    GuestOut<std::uint64_t> const out(list);
    for (std::uint32_t index = 0; index < count; ++index)
    {
        Result<Mfn> const frame = frame_at(index);
        if (!frame)
            return GNTST_general_error;
        if (!out.write(domain.expose(*frame).raw(), index))
            return GNTST_bad_virt_addr;
    }
    return GNTST_okay;
}

GrantStatus set_up(Caller& caller, abi::gnttab_setup_table const& args)
{
    NamedTable const named = find_table(caller, args.dom);
    if (named.status != GNTST_okay)
        return named.status;
    GrantTable& table = named.table();
    if (args.nr_frames > table.frame_limit())
        return GNTST_general_error;
    if (!table.grow(args.nr_frames))
        return GNTST_general_error;
    return write_frame_list(*named.domain, reinterpret_cast<std::uint64_t>(args.frame_list.p), args.nr_frames,
                            [&](std::uint32_t index) { return table.shared_frame(index); });
}

GrantStatus list_status_frames(Caller& caller, abi::gnttab_get_status_frames const& args)
{
    NamedTable const named = find_table(caller, args.dom);
    if (named.status != GNTST_okay)
        return named.status;
    GrantTable& table = named.table();
    if (table.version() != 2 || args.nr_frames > table.status_frame_count())
        return GNTST_general_error;
    return write_frame_list(*named.domain, reinterpret_cast<std::uint64_t>(args.frame_list.p), args.nr_frames,
                            [&](std::uint32_t index) { return table.status_frame(index); });
}

// Caches are coherent with all DMA on this architecture, so after the checks there is nothing left to flush.
Result<void> check_cache_flush(Caller& caller, abi::gnttab_cache_flush const& args)
{
    constexpr std::uint32_t kKnown = GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL | GNTTAB_CACHE_SOURCE_GREF;
    HV_REQUIRE((args.op & ~kKnown) == 0, Errno::Inval);
    HV_REQUIRE(std::uint32_t{args.offset} + args.length <= kPageSize, Errno::Inval);
    HV_REQUIRE((args.op & GNTTAB_CACHE_SOURCE_GREF) == 0, Errno::OpNotSupp);
    Mfn const frame = to_mfn(MachineAddress{args.a.dev_bus_addr});
    HV_REQUIRE(get_frame(frame, caller.domain().id()), Errno::Perm);
    put_frame(frame);
    return {};
}

} // namespace

CallResult grant_table_op_call(Caller& caller, std::uint64_t operation, std::uint64_t argument, std::uint64_t count)
{
    HV_REQUIRE(caller.domain().grants != nullptr, Errno::NoSys);
    return groups::grant_table_op(static_cast<std::uint32_t>(operation), argument, count, caller);
}

namespace grant_table_op
{

CallResult setup_table(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    HV_TRY_VOID(require_single(count));
    return for_each_grant_operation<abi::gnttab_setup_table>(caller, argument, count,
                                                             [&](abi::gnttab_setup_table& args) -> Result<void> {
                                                                 args.status = set_up(caller, args);
                                                                 return {};
                                                             });
}

CallResult dump_table(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    HV_REQUIRE(caller.is_control(), Errno::Perm);
    return for_each_grant_operation<abi::gnttab_dump_table>(caller, argument, count,
                                                            [&](abi::gnttab_dump_table& args) -> Result<void> {
                                                                NamedTable const named = find_table(caller, args.dom);
                                                                args.status = named.status;
                                                                if (named.status == GNTST_okay)
                                                                    named.table().log_use();
                                                                return {};
                                                            });
}

CallResult query_size(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    HV_TRY_VOID(require_single(count));
    return for_each_grant_operation<abi::gnttab_query_size>(caller, argument, count,
                                                            [&](abi::gnttab_query_size& args) -> Result<void> {
                                                                NamedTable const named = find_table(caller, args.dom);
                                                                args.status = named.status;
                                                                if (named.status != GNTST_okay)
                                                                    return {};
                                                                args.nr_frames = named.table().frame_count();
                                                                args.max_nr_frames = named.table().frame_limit();
                                                                return {};
                                                            });
}

CallResult set_version(Caller& caller, std::uint64_t argument)
{
    GuestInOut<abi::gnttab_set_version> const guest(argument);
    auto args = HV_TRY(guest.read());
    GrantTable& table = *caller.domain().grants;
    auto const changed = table.set_version(args.version);
    args.version = table.version();
    HV_TRY_VOID(guest.write(args));
    HV_TRY_VOID(changed);
    return 0;
}

CallResult get_status_frames(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    HV_TRY_VOID(require_single(count));
    return for_each_grant_operation<abi::gnttab_get_status_frames>(
        caller, argument, count, [&](abi::gnttab_get_status_frames& args) -> Result<void> {
            args.status = list_status_frames(caller, args);
            return {};
        });
}

CallResult get_version(Caller& caller, std::uint64_t argument)
{
    GuestInOut<abi::gnttab_get_version> const guest(argument);
    auto args = HV_TRY(guest.read());
    NamedTable const named = find_table(caller, args.dom);
    HV_REQUIRE(named.status != GNTST_bad_domain, Errno::Srch);
    HV_REQUIRE(named.status == GNTST_okay, Errno::Perm);
    args.version = named.table().version();
    HV_TRY_VOID(guest.write(args));
    return 0;
}

CallResult swap_grant_ref(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    return for_each_grant_operation<abi::gnttab_swap_grant_ref>(
        caller, argument, count, [&](abi::gnttab_swap_grant_ref& args) -> Result<void> {
            args.status = caller.domain().grants->swap(GrantRef{args.ref_a}, GrantRef{args.ref_b});
            return {};
        });
}

CallResult cache_flush(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    return for_each_grant_operation<abi::gnttab_cache_flush>(
        caller, argument, count, [&](abi::gnttab_cache_flush const& args) { return check_cache_flush(caller, args); });
}

} // namespace grant_table_op
} // namespace hv::handlers
