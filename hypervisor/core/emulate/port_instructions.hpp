// SPDX-License-Identifier: MIT
// IN, OUT, INS and OUTS.
#pragma once

#include <core/emulate/context.hpp>
#include <core/emulate/instruction.hpp>

namespace hv::emulate
{

struct PortOutcome
{
    EmulationResult result;
    bool finished = true;          // false: REP stopped early, rip stays at the instruction
    std::uint64_t breakpoints = 0; // DR6 bits
};

// Carries the instruction out if the guest may. String instructions stop after a bounded number of elements, after one
// while the guest single-steps, and at a page fault, whose earlier elements stay done.
[[nodiscard]] PortOutcome emulate_port(EmulationContext& context, Instruction const& instruction, bool long_mode);

} // namespace hv::emulate
