// SPDX-License-Identifier: MIT
// Integer operations with the flags that the instructions define, on operands of 1, 2, 4 or 8 bytes.
#pragma once

#include <core/emulate/instruction.hpp>
#include <core/emulate/registers.hpp>

#include <cstdint>

namespace hv::emulate
{

struct Computed
{
    std::uint64_t value = 0; // truncated to the operand size
    std::uint64_t flags = 0; // new RFLAGS
};

// Result of `operation` on the old value of the destination and the source operand. `flags` is the old RFLAGS; flags
// that an operation leaves undefined keep their old value. `operation` is a store that depends on its old value, but not
// CompareExchange. Source of flag rules: Intel SDM vol. 2.
[[nodiscard]] Computed compute(Operation operation, std::uint64_t old, std::uint64_t operand, unsigned size,
                               std::uint64_t flags);

// The flags of `left - right`, as CMP and CMPXCHG set them.
[[nodiscard]] std::uint64_t compare_flags(std::uint64_t left, std::uint64_t right, unsigned size, std::uint64_t flags);

} // namespace hv::emulate
