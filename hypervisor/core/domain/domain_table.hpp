// SPDX-License-Identifier: MIT
// The domain table's inner calls, used by core/domain only.
#pragma once

#include <core/domain/domain.hpp>

namespace hv
{

// Ids at or above kFirstReservedDomain, and 0 unless `control`, mean "the next free one". Exist, NoSpc.
Result<DomainId> reserve_domain_id(std::uint32_t wanted, bool control);
void cancel_domain_id(DomainId id);
void publish_domain(Domain& domain); // its id is reserved
bool unpublish_if_unreferenced(Domain& domain);
void free_domain(Domain& domain); // unpublished; frees all memory

} // namespace hv
