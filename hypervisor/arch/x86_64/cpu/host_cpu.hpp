// SPDX-License-Identifier: MIT
// This machine's CPU as the source of CPUID policies.
#pragma once

#include <core/policy/cpu_policy.hpp>

namespace hv
{

class MachineCpu final : public HostCpu
{
public:
    CpuidLeaf cpuid(std::uint32_t leaf, std::uint32_t subleaf) override;
    std::uint64_t xcr0_mask() override;
    std::uint64_t arch_capabilities() override;
};

} // namespace hv
