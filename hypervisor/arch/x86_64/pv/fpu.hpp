// SPDX-License-Identifier: MIT
// FPU state of the vCPU on this CPU.
#pragma once

#include <core/domain/pv_state.hpp>

namespace hv
{

void save_fpu(PvState& pv);
void load_fpu(PvState& pv);
void load_fpu_controls(PvState const& pv); // XCR0 and CR0.TS as the guest has them

} // namespace hv
