// SPDX-License-Identifier: MIT
// Carries out the privileged instructions that a guest executes at CPL 3 (surface 1.11): entry from #GP and #UD.
#pragma once

#include <core/emulate/context.hpp>

namespace hv::emulate
{

// #GP with error code 0 raised by a guest. Handles IN/OUT/INS/OUTS, CLTS, WBINVD/INVD, MOV CR/DR, RDMSR/WRMSR,
// RDTSC/RDTSCP, CPUID, XSETBV, CLI/STI. Registers and rip are updated only on Done. Counts the cause.
[[nodiscard]] EmulationResult emulate_privileged(EmulationContext& context);

// #UD raised by a guest: the prefix `ud2; 'x' 'e' 'n'` asks for emulation of the CPUID that follows it.
[[nodiscard]] EmulationResult emulate_invalid_opcode(EmulationContext& context);

} // namespace hv::emulate
