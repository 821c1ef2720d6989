// SPDX-License-Identifier: MIT
// Single CMOS registers through the pair of ports 0x70 and 0x71, one access at a time.
#pragma once

#include <cstdint>

namespace hv
{

std::uint8_t cmos_read(std::uint8_t index);
void cmos_write(std::uint8_t index, std::uint8_t value);

} // namespace hv
