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
    std::uint32_t const count = HV_TRY(grant_batch_size(length));
    GuestInOut<T> const elements(array);
    grant::PendingUnmap group[kUnmapsPerFlush];
    bool readable = true;
    for (std::uint32_t done = 0; done < count && readable;)
    {
        std::uint32_t waiting = 0;
        std::uint32_t visited = 0;
        for (; visited < kUnmapsPerFlush && done + visited < count && readable; ++visited)
        {
            auto const element = elements.read(done + visited);
            readable = static_cast<bool>(element);
            if (!readable)
                break;
            T answered = *element;
            answered.status = begin(answered, group[waiting]);
            if (answered.status == GNTST_okay)
                ++waiting;
            readable = static_cast<bool>(elements.write(answered, done + visited));
        }
        grant::finish_unmaps(caller.vcpu(), std::span(group, waiting));
        done += visited;
        if (readable && caller.spend(static_cast<std::int32_t>(visited) * kGrantOperationCost) && done < count)
        {
            resume_grant_batch_at(caller, elements, count, done);
            return Errno::Restart;
        }
    }
    HV_REQUIRE(readable, Errno::Fault);
    return 0;
}

} // namespace

CallResult map(Caller& caller, std::uint64_t argument, std::uint64_t count)
{
    return for_each_grant_operation<abi::gnttab_map_grant_ref>(
        caller, argument, count, [&](abi::gnttab_map_grant_ref& operation) -> Result<void> {
            operation.status = grant::map(caller.vcpu(), operation);
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
