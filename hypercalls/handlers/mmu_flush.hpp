// SPDX-License-Identifier: MIT
// TLB flushes that guests ask for, by vCPU or for a whole domain.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

// The UVMF_* flags of update_va_mapping (public header xen.h). Only called after the update succeeded, so the address
// lies in the guest's own range. Fault when the vCPU bitmap cannot be read.
Result<void> flush_for_mapping(Caller& caller, std::uint64_t address, std::uint64_t flags);

// CPUs that hold translations for the vCPUs of the guest's bitmap at `bitmap`; bits beyond the last vCPU are ignored.
Result<CpuMask> cpus_of_vcpus(Caller& caller, std::uint64_t bitmap);

} // namespace hv::handlers
