// SPDX-License-Identifier: MIT
// The answer to one CPUID instruction of a guest: its policy, the parts that change at run time, and the Xen leaves.
#pragma once

#include <core/domain/vcpu.hpp>
#include <core/policy/cpu_policy.hpp>

#include <cstdint>

namespace hv::policy
{

// `forced`: executed with the emulation prefix by the guest's kernel, which then sees OSXSAVE before it has set it
// (Linux decides by that whether it may use XSAVE at all).
[[nodiscard]] CpuidLeaf guest_cpuid(Vcpu const& vcpu, std::uint32_t leaf, std::uint32_t subleaf, bool forced);

} // namespace hv::policy
