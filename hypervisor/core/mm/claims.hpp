// SPDX-License-Identifier: MIT
// Memory set aside for domains under construction (XENMEM_claim_pages; claim_frames() makes and ends claims).
#pragma once

#include <cstdint>

namespace hv
{

// What is claimed and not yet populated, over all domains: free, but only for them.
std::uint64_t claimed_frames();

} // namespace hv
