// SPDX-License-Identifier: MIT
// Physical interrupts of domains.
#include <core/irq/pirq.hpp>

namespace hv
{

void pirqs_relinquish(Domain& domain)
{
    HV_ASSERT(domain.pirqs == nullptr);
}

} // namespace hv
