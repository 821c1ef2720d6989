// SPDX-License-Identifier: MIT
// MOV to and from control and debug registers, CLTS and XSETBV of a guest kernel.
#pragma once

#include <core/emulate/context.hpp>
#include <core/emulate/instruction.hpp>

namespace hv::emulate
{

// Each returns Done without touching rip, or the fault. The caller has checked that the guest kernel runs.
[[nodiscard]] EmulationResult read_control(EmulationContext& context, Instruction const& instruction);
[[nodiscard]] EmulationResult write_control(EmulationContext& context, Instruction const& instruction);
[[nodiscard]] EmulationResult clear_task_switched(EmulationContext& context);
[[nodiscard]] EmulationResult read_debug(EmulationContext& context, Instruction const& instruction);
[[nodiscard]] EmulationResult write_debug(EmulationContext& context, Instruction const& instruction);
[[nodiscard]] EmulationResult set_extended_control(EmulationContext& context);

// XCR0 values that XSETBV accepts under `mask`: x87 always, AVX only with SSE, the AVX-512 parts only together.
[[nodiscard]] bool is_valid_xcr0(std::uint64_t value, std::uint64_t mask);

} // namespace hv::emulate
