// SPDX-License-Identifier: MIT
// Grant mappings in a domain's page tables. They own no frame reference: the maptrack entry of the mapping does.
#pragma once

#include <core/domain/domain.hpp>

namespace hv
{

// Where a grant mapping goes: a guest virtual address, or the machine address of an L1 entry (GNTMAP_contains_pte).
struct GrantSlot
{
    std::uint64_t address = 0;
    bool contains_pte = false;
};

// Puts `entry` (present, with its flags, before privilege fix-ups) into the slot and drops what was there. The slot must
// lie in a validated L1 of `mapper`; contains_pte addresses must be 8-byte aligned. Inval otherwise. Takes mmu_lock.
Result<void> install_grant_mapping(Domain& mapper, Vcpu const& vcpu, GrantSlot slot, std::uint64_t entry);

// Takes a grant mapping of `frame` out of the slot, which becomes 0. Inval when the slot holds anything but a grant mapping
// of this frame with these rights: then nothing changes. The caller flushes TLBs. Takes mmu_lock.
Result<void> remove_grant_mapping(Domain& mapper, Vcpu const& vcpu, GrantSlot slot, Mfn frame, bool read_only);

// GNTTABOP_unmap_and_replace: the slot takes over the entry of `source` (an address of the same kind of mapper), which
// becomes 0. Takes mmu_lock.
Result<void> replace_grant_mapping(Domain& mapper, Vcpu const& vcpu, GrantSlot slot, Mfn frame, bool read_only,
                                   std::uint64_t source);

} // namespace hv
