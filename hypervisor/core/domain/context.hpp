// SPDX-License-Identifier: MIT
// A vCPU's whole context as the ABI's vcpu_guest_context: taken in, checked, and given out.
#pragma once

#include <core/domain/domain.hpp>
#include <core/mm/page_table.hpp>

namespace hv
{

// Gives an uninitialised vCPU its state (VCPUOP_initialise, XEN_DOMCTL_setvcpucontext, the domain builder). The vCPU runs
// nowhere, and stays so: of two callers at once one hears Exist, since `initialised` is looked at and set under
// context_lock. Takes that and mmu_lock. Errors leave it uninitialised: Inval (addresses, frames, registers); Restart:
// call again with the same context.
Result<void> set_vcpu_context(Vcpu& vcpu, abi::vcpu_guest_context const& context, Budget& budget);

// Changes the registers of an initialised, paused vCPU. Roots and descriptor tables must be as they are: OpNotSupp.
Result<void> update_vcpu_registers(Vcpu& vcpu, abi::vcpu_guest_context const& context);

// The present state of a vCPU that runs nowhere.
void get_vcpu_context(Vcpu const& vcpu, abi::vcpu_guest_context& context);

// Takes an initialised vCPU back to its state at creation (XEN_DOMCTL_setvcpucontext with no context). Restart.
Result<void> reset_vcpu(Vcpu& vcpu, Budget& budget);

} // namespace hv
