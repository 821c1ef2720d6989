// SPDX-License-Identifier: MIT
// Handles: what a domain has mapped of other domains' grants.
#include <core/domain/loaded_cpus.hpp>
#include <core/grant/grant_operations.hpp>
#include <core/grant/grant_table.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{

GrantMapping* GrantTable::mapping(std::uint32_t handle)
{
    if (handle >= handle_count_)
        return nullptr;
    return &mappings_[handle / kMappingsPerPage][handle % kMappingsPerPage];
}

Result<std::uint32_t> GrantTable::new_handle(GrantMapping const& content)
{
    Guard guard(maptrack_lock_);
    HV_REQUIRE(!mapping_ended_, Errno::Inval);
    if (free_handle_ == 0)
    {
        HV_REQUIRE(handle_count_ < max_handles_, Errno::NoSpc);
        std::uint32_t const page = handle_count_ / kMappingsPerPage;
        HV_REQUIRE(mappings_.reserve(page + 1), Errno::NoMem);
        mappings_[page] = reinterpret_cast<GrantMapping*>(allocate_zeroed_page());
        HV_REQUIRE(mappings_[page] != nullptr, Errno::NoMem);
        handle_count_ += kMappingsPerPage;
        for (std::uint32_t handle = handle_count_; handle-- > handle_count_ - kMappingsPerPage;)
        {
            *mapping(handle) = GrantMapping{};
            mapping(handle)->ref = GrantRef{free_handle_};
            free_handle_ = handle + 1;
        }
    }
    std::uint32_t const handle = free_handle_ - 1;
    GrantMapping& taken = *mapping(handle);
    free_handle_ = taken.ref.raw();
    taken = content;
    taken.state = MappingState::Busy;
    ++live_handles_;
    return handle;
}

bool GrantTable::claim_handle(std::uint32_t handle, GrantMapping& out)
{
    Guard guard(maptrack_lock_);
    GrantMapping* const found = mapping(handle);
    if (found == nullptr || found->state != MappingState::Live)
        return false;
    found->state = MappingState::Busy;
    out = *found;
    return true;
}

void GrantTable::settle_handle(std::uint32_t handle, GrantMapping const& content)
{
    Guard guard(maptrack_lock_);
    GrantMapping& settled = *mapping(handle);
    HV_ASSERT(settled.state == MappingState::Busy);
    settled = content;
    if (content.uses != 0)
    {
        settled.state = MappingState::Live;
        return;
    }
    settled.state = MappingState::Free;
    settled.ref = GrantRef{free_handle_};
    free_handle_ = handle + 1;
    --live_handles_;
}

bool grant_table_relinquish(Domain& domain, std::int32_t& budget)
{
    GrantTable& table = *domain.grants;
    if (table.relinquish_next_ == 0)
    {
        {
            Guard guard(table.maptrack_lock_);
            table.mapping_ended_ = true;
        }
        // The vCPUs are stopped and their tables are about to go: no translation of a granted frame may outlive them.
        port::flush_tlb(loaded_cpus(domain), port::Flush::All);
    }
    for (; table.relinquish_next_ < load_acquire(table.handle_count_); ++table.relinquish_next_)
    {
        if (budget <= 0)
            return false;
        GrantMapping mapping;
        --budget;
        if (!table.claim_handle(table.relinquish_next_, mapping))
            continue;
        budget -= 8;
        grant::end_uses(mapping, mapping.uses);
        table.settle_handle(table.relinquish_next_, mapping);
    }
    return true;
}

} // namespace hv
