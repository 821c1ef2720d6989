// SPDX-License-Identifier: MIT
// xenctl_bitmap: sets of CPUs as the tools pass them.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

Result<CpuMask> read_cpu_bitmap(abi::xenctl_bitmap const& bitmap); // bits beyond our CPUs are ignored; Fault
Result<void> write_cpu_bitmap(abi::xenctl_bitmap const& bitmap, CpuMask cpus); // fills the rest with zeroes; Fault
CpuMask online_cpus();

} // namespace hv::handlers
