// SPDX-License-Identifier: MIT
// Handles: what a domain has mapped of other domains' grants.
#include <core/domain/loaded_cpus.hpp>
#include <core/grant/grant_operations.hpp>
#include <core/grant/grant_table.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{

Result<void> GrantTable::add_handles()
{
    HV_REQUIRE(handle_count_ < max_handles_, Errno::NoSpc);
    std::uint32_t const page = handle_count_ / kMappingsPerPage;
    HV_REQUIRE(mappings_.reserve(page + 1), Errno::NoMem);
    mappings_[page] = reinterpret_cast<GrantMapping*>(allocate_zeroed_page());
    HV_REQUIRE(mappings_[page] != nullptr, Errno::NoMem);
    handle_count_ += kMappingsPerPage;
    for (std::uint32_t handle = handle_count_; handle-- > handle_count_ - kMappingsPerPage;)
    {
        mapping(handle) = GrantMapping{};
        mapping(handle).handle = handle;
        mapping(handle).ref = GrantRef{free_handle_};
        free_handle_ = handle + 1;
    }
    return {};
}

Result<GrantMapping*> GrantTable::new_handle()
{
    Guard guard(maptrack_lock_);
    HV_REQUIRE(!mapping_ended_, Errno::Inval);
    if (free_handle_ == 0) [[unlikely]]
        HV_TRY_VOID(add_handles());
    GrantMapping& taken = mapping(free_handle_ - 1);
    free_handle_ = taken.ref.raw();
    taken.state = MappingState::Busy;
    ++live_handles_;
    return &taken;
}

GrantMapping* GrantTable::claim_handle(std::uint32_t handle)
{
    Guard guard(maptrack_lock_);
    if (handle >= handle_count_)
        return nullptr;
    GrantMapping& found = mapping(handle);
    if (load_acquire(found.state) != MappingState::Live) // what settle_handle() published before it
        return nullptr;
    found.state = MappingState::Busy;
    return &found;
}

void GrantTable::settle_handle(GrantMapping& mapping)
{
    HV_ASSERT(mapping.state == MappingState::Busy);
    if (mapping.uses != 0)
    {
        store_release(mapping.state, MappingState::Live); // from here on it is anybody's who claims it under the lock
        return;
    }
    Guard guard(maptrack_lock_);
    mapping.state = MappingState::Free;
    mapping.ref = GrantRef{free_handle_};
    free_handle_ = mapping.handle + 1;
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
        --budget;
        GrantMapping* const mapping = table.claim_handle(table.relinquish_next_);
        if (mapping == nullptr)
            continue;
        budget -= 8;
        grant::end_uses(*mapping, mapping->uses);
        table.settle_handle(*mapping);
    }
    return true;
}

} // namespace hv
