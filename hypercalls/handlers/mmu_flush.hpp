// SPDX-License-Identifier: MIT
// TLB flushes that guests ask for, by vCPU or for a whole domain.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

// The UVMF_* flags of update_va_mapping (public header xen.h) when they name other CPUs than this one. Only called after the
// update succeeded, so the address lies in the guest's own range. Fault when the vCPU bitmap cannot be read.
Result<void> flush_for_mapping_elsewhere(Caller& caller, std::uint64_t address, std::uint64_t flags);

inline Result<void> flush_for_mapping(Caller& caller, std::uint64_t address, std::uint64_t flags)
{
    switch (flags)
    {
    case UVMF_NONE | UVMF_LOCAL:
    case UVMF_NONE | UVMF_ALL: return {};
    case UVMF_INVLPG | UVMF_LOCAL: port::flush_own_tlb(port::Flush::Page, GuestVirtual{address}); return {};
    case UVMF_TLB_FLUSH | UVMF_LOCAL: port::flush_own_tlb(port::Flush::All); return {};
    default: return flush_for_mapping_elsewhere(caller, address, flags);
    }
}

// CPUs that hold translations for the vCPUs of the guest's bitmap at `bitmap`; bits beyond the last vCPU are ignored.
Result<CpuMask> cpus_of_vcpus(Caller& caller, std::uint64_t bitmap);

} // namespace hv::handlers
