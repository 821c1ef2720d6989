// SPDX-License-Identifier: MIT
// Reading guest memory as far as it can be read.
#pragma once

#include <cstddef>
#include <cstdint>

namespace hv
{

// Copies up to `bytes` from the guest address, through the tables now loaded. Returns how many were copied (in whole
// words up to the fault).
std::size_t copy_from_guest_partly(void* to, std::uint64_t address, std::size_t bytes);

} // namespace hv
