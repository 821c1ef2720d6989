// SPDX-License-Identifier: MIT
// IA32_TSC_AUX follows the vCPU where the CPU has it.
#pragma once

#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <core/domain/vcpu.hpp>

namespace hv
{

inline void load_tsc_aux(Vcpu const& vcpu)
{
    constexpr std::uint32_t kTscAux = 0xc0000103;
    if (cpu_features().rdtscp)
        write_msr(kTscAux, vcpu.pv.tsc_aux);
}

} // namespace hv
