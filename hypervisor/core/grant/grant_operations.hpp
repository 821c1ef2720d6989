// SPDX-License-Identifier: MIT
// The operations on grants that involve two domains: mapping, unmapping and copying.
#pragma once

#include <core/grant/grant_table.hpp>

#include <cstdint>
#include <span>

namespace hv::grant
{

// GNTTABOP_map_grant_ref for the current vCPU's domain. Fills handle and dev_bus_addr; returns the status.
GrantStatus map(Vcpu& mapper, abi::gnttab_map_grant_ref& operation);

// One mapping on its way out: page-table entries are gone, but TLBs may still know it. finish_unmaps() ends it.
struct PendingUnmap
{
    std::uint32_t handle = 0;
    std::uint32_t ending = 0;  // uses that end; 0: nothing is left to do
    std::uint64_t address = 0; // guest virtual address of the host mapping, 0 when it is not known
    GrantMapping mapping{};
};

// First half of GNTTABOP_unmap_grant_ref. On GNTST_okay `pending` must be given to finish_unmaps().
GrantStatus begin_unmap(Vcpu& mapper, abi::gnttab_unmap_grant_ref const& operation, PendingUnmap& pending);
// First half of GNTTABOP_unmap_and_replace: the entry at new_addr moves to host_addr.
GrantStatus begin_replace(Vcpu& mapper, abi::gnttab_unmap_and_replace const& operation, PendingUnmap& pending);
// Second half, for a batch: flushes TLBs once, then gives references and handles back.
void finish_unmaps(Vcpu& mapper, std::span<PendingUnmap> pending);

// GNTTABOP_copy, one segment.
GrantStatus copy(Vcpu& caller, abi::gnttab_copy const& operation);

// Ends `uses` (GNTMAP_host_map, GNTMAP_device_map) of a claimed mapping, TLBs being clean: counts and references.
void end_uses(GrantMapping& mapping, std::uint32_t uses);

} // namespace hv::grant
