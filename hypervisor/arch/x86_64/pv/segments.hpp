// SPDX-License-Identifier: MIT
// The data segment registers and segment bases of a guest in hardware.
#pragma once

#include <core/domain/vcpu.hpp>

namespace hv
{

void save_segments(PvState& pv); // selectors into pv.regs, bases into pv
// Loads selectors and bases. False when a selector could not be loaded (then it is null in hardware): the guest's
// failsafe callback must hear of it; pv.regs still holds what was asked for.
[[nodiscard]] bool load_segments(PvState const& pv);
// SEGBASE_GS_USER_SEL: loads the selector into the inactive (user) GS; a bad one becomes null.
void load_user_gs_selector(PvState& pv, std::uint16_t selector);

} // namespace hv
