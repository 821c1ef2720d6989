// SPDX-License-Identifier: MIT
// grant_table_op: the operations of backends (map, unmap, copy), in arrays.
#include <core/grant/grant_operations.hpp>
#include <hypercalls/handlers/grant_batch.hpp>
#include <hypercalls/handlers/grant_table.hpp>

#include <span>

namespace hv::handlers::grant_table_op
{
namespace
{

inline constexpr std::uint32_t kUnmapsPerFlush = 32;

// Unmaps in groups that share one flush. `begin(element, pending)` is the first half of the operation.
template<AbiSafe T, typename F>
CallResult unmap_in_groups(Caller& caller, std::uint64_t array, std::uint64_t length, F&& begin)
{
    grant::PendingUnmap group[kUnmapsPerFlush];
    std::uint32_t waiting = 0;
    CallResult const result = for_each_grant_status<T>(caller, array, length, [&](T const& element) {
        if (waiting == kUnmapsPerFlush) [[unlikely]]
        {
            grant::finish_unmaps(caller.vcpu(), std::span(group, waiting));
            waiting = 0;
        }
        GrantStatus const status = begin(element, group[waiting]);
        if (status == GNTST_okay)
            ++waiting;
        return status;
    });
    grant::finish_unmaps(caller.vcpu(), std::span(group, waiting));
    return result;
}

} // namespace

CallResult map(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    grant::Mapper mapper(caller.vcpu());
    return for_each_grant_operation<abi::gnttab_map_grant_ref>(
        caller, argument, count, [&](abi::gnttab_map_grant_ref& operation) -> Result<void> {
            operation.status = mapper.map(operation);
            return {};
        });
}

CallResult unmap(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    return unmap_in_groups<abi::gnttab_unmap_grant_ref>(
        caller, argument, count, [&](abi::gnttab_unmap_grant_ref const& operation, grant::PendingUnmap& pending) {
            return grant::begin_unmap(caller.vcpu(), operation, pending);
        });
}

CallResult unmap_and_replace(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    return unmap_in_groups<abi::gnttab_unmap_and_replace>(
        caller, argument, count, [&](abi::gnttab_unmap_and_replace const& operation, grant::PendingUnmap& pending) {
            return grant::begin_replace(caller.vcpu(), operation, pending);
        });
}

CallResult copy(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    grant::Copier copier(caller.domain());
    return for_each_grant_status<abi::gnttab_copy>(
        caller, argument, count, [&](abi::gnttab_copy const& operation) { return copier.copy(operation); });
}

CallResult transfer(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    // Giving pages away is not part of this hypervisor: no kernel in use asks for it.
    return for_each_grant_operation<abi::gnttab_transfer>(caller, argument, count,
                                                          [](abi::gnttab_transfer& operation) -> Result<void> {
                                                              operation.status = GNTST_general_error;
                                                              return {};
                                                          });
}

} // namespace hv::handlers::grant_table_op
