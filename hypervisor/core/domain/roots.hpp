// SPDX-License-Identifier: MIT
// A vCPU's address-space roots and descriptor tables, and the references they hold.
#pragma once

#include <core/domain/domain.hpp>
#include <core/mm/page_table.hpp>

namespace hv
{

// MMUEXT_NEW_BASEPTR for the current vCPU: takes a typed L4 reference of `root`, loads it, drops the old one (the rest of
// a long teardown waits in the deferred slot). The same root again is a TLB flush. Inval, Restart. Takes mmu_lock.
Result<void> change_kernel_root(Vcpu& vcpu, Mfn root, Budget& budget);
// MMUEXT_NEW_USER_BASEPTR; kInvalidMfn = none. The vCPU is in kernel mode, so nothing is loaded. Takes mmu_lock.
Result<void> change_user_root(Vcpu& vcpu, Mfn root, Budget& budget);
// Drops both roots, GDT and LDT references of a vCPU that runs nowhere (teardown, reset). mmu_lock held.
Result<void> drop_vcpu_tables(Vcpu& vcpu, Budget& budget);

// set_gdt: replaces the GDT by `count` frames (of the vCPU's domain) holding `entries` descriptors. mmu_lock held.
Result<void> change_gdt(Vcpu& vcpu, Mfn const* frames, unsigned count, std::uint32_t entries);
// MMUEXT_SET_LDT, checked before. mmu_lock held.
void change_ldt(Vcpu& vcpu, std::uint64_t base, std::uint32_t entries);
// Validates LDT page `page` on first use and puts it into the descriptor window. Takes mmu_lock; false: fault to guest.
bool map_ldt_page(Vcpu& vcpu, unsigned page);

} // namespace hv
