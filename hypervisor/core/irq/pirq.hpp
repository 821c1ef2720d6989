// SPDX-License-Identifier: MIT
// Physical interrupts that a domain has mapped (PHYSDEVOP_map_pirq) and bound to event channels.
#pragma once

#include <core/domain/domain.hpp>

namespace hv
{

// Unmaps everything a dying domain has mapped.
void pirqs_relinquish(Domain& domain);

} // namespace hv
