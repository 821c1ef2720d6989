// SPDX-License-Identifier: MIT
// One page-table entry: which values are allowed, and the references that a value owns. Internal to core/mm.
#pragma once

#include <core/mm/page_table.hpp>

namespace hv
{

// Checks `value` as an entry of a table of `level`, takes the references it will own, and returns it as it must be
// stored (U, G and cache fix-ups; read-only where a device page demands it). mmu_lock of the table owner held.
// Errors: Inval (flags, level, missing frame), Busy (frame in conflicting use or not owned), Perm (device memory denied),
// Access (cache attribute on RAM shared with us), Restart.
Result<std::uint64_t> take_entry(MappingRights const& rights, FrameType level, std::uint64_t value, Budget& budget);

// Drops what `value`, an entry of a table of `level`, owned.
Result<void> drop_entry(Domain& table_owner, FrameType level, std::uint64_t value, Budget& budget);

} // namespace hv
