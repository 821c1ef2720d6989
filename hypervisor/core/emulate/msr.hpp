// SPDX-License-Identifier: MIT
// RDMSR and WRMSR of a guest kernel, by the table of core/policy/msr_rules.hpp.
#pragma once

#include <core/emulate/context.hpp>

#include <cstdint>

namespace hv::emulate
{

// False: the guest gets #GP.
[[nodiscard]] bool guest_read_msr(EmulationContext& context, std::uint32_t index, std::uint64_t& value);
[[nodiscard]] bool guest_write_msr(EmulationContext& context, std::uint32_t index, std::uint64_t value);

} // namespace hv::emulate
