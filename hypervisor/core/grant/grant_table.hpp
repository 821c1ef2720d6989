// SPDX-License-Identifier: MIT
// A domain's grant table: the pages of others it maps or copies, and its own pages that others may.
//
// Ownership prose. A grant entry in the shared frames is guest-writable, so it is read once, atomically, and the active
// entry beside it is the truth while anybody uses the grant. An active entry holds the resolved frame; each mapping
// (a maptrack entry of the mapping domain) holds one general reference of the frame, and one writable use when it is a
// writable host or device mapping. GTF_reading and GTF_writing in the shared entry are set before the first use counts
// and cleared after the last one has gone.
//
// Locks, outermost first: a table's `lock_` (version, size, maptrack list), then Active::lock of one entry. No operation
// holds the locks of two tables; page tables are changed (core/mm/grant_pte.hpp) with none of these held.
#pragma once

#include <core/domain/domain.hpp>
#include <lib/result.hpp>

#include <cstdint>

namespace hv
{

// Limits in frames; `max_version` 1 or 2. The first frame exists from the start. NoMem, Inval.
Result<void> grant_table_create(Domain& domain, std::uint32_t max_frames, std::uint32_t max_maptrack_frames,
                                std::uint32_t max_version);
// Releases what the dying domain has mapped of others until `budget` is used up; true when nothing is left.
[[nodiscard]] bool grant_table_relinquish(Domain& domain, std::int32_t& budget);
void grant_table_destroy(Domain& domain); // frees; everything is released

// XENMEM_acquire_resource, type grant_table: `kind` 0 shared frames, 1 status frames. Grows the table up to `index`
// when its limit allows. Inval, NoMem.
Result<Mfn> grant_frame(Domain& domain, std::uint32_t kind, std::uint32_t index);
std::uint32_t grant_frame_limit(Domain& domain, std::uint32_t kind);

} // namespace hv
