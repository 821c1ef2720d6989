// SPDX-License-Identifier: MIT
// Page faults, by where they came from.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <core/domain/domain.hpp>

namespace hv
{

// A page fault of the guest: a store to a page table that we carry out, an LDT page seen for the first time, or the
// guest's own business.
void guest_page_fault(Vcpu& vcpu, TrapFrame& frame, std::uint64_t address);

// A page fault of ours: true when the instruction can simply run again (an LDT page came in, or the TLB was stale).
bool own_page_fault_resolved(TrapFrame const& frame, std::uint64_t address);

} // namespace hv
