// SPDX-License-Identifier: MIT
// Products of 128 bits, without the compiler's library for dividing them.
#pragma once

#include <lib/bug.hpp>

#include <cstdint>

namespace hv
{

// value * numerator / denominator, rounded down; the quotient must fit 64 bits.
inline std::uint64_t multiply_divide(std::uint64_t value, std::uint64_t numerator, std::uint64_t denominator)
{
    std::uint64_t low, high, remainder;
    asm("mul %3" : "=a"(low), "=d"(high) : "0"(value), "r"(numerator) : "cc");
    HV_ASSERT(high < denominator);
    asm("div %4" : "=a"(low), "=d"(remainder) : "0"(low), "1"(high), "r"(denominator) : "cc");
    return low;
}

// (value * factor) >> 32.
inline std::uint64_t multiply_fraction(std::uint64_t value, std::uint64_t factor)
{
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(value) * factor) >> 32);
}

} // namespace hv
