// SPDX-License-Identifier: MIT
// CPUID at run time. Xen leaves: public header arch-x86/cpuid.h.
#include <core/policy/guest_cpuid.hpp>

#include <core/domain/domain.hpp>
#include <core/policy/control_registers.hpp>
#include <core/policy/system_policies.hpp>
#include <core/policy/version_facts.hpp>

namespace hv::abi
{
#include <xen/arch-x86/cpuid.h>
} // namespace hv::abi

namespace hv::policy
{
namespace
{

constexpr std::uint32_t kXenBase = 0x40000000;
constexpr std::uint32_t kBitOsXsave = 1u << 27;

CpuidLeaf time_leaf(CpuPolicy const& policy, std::uint32_t subleaf)
{
    MachineFacts const& facts = system_policies().facts;
    std::uint32_t const khz = static_cast<std::uint32_t>(facts.tsc_khz);
    switch (subleaf)
    {
    case 0:
    {
        std::uint32_t const flags = (facts.tsc_reliable ? 2u : 0) | (policy.has(abi::XEN_X86_FEATURE_RDTSCP) ? 4u : 0);
        return {flags, 0, khz, 0};
    }
    case 1: return {0, 0, facts.tsc_mul, static_cast<std::uint32_t>(std::int32_t{facts.tsc_shift})};
    case 2: return {khz, 0, 0, 0};
    default: return {};
    }
}

CpuidLeaf xen_leaf(CpuPolicy const& policy, std::uint32_t index, std::uint32_t subleaf)
{
    switch (index)
    {
    case 0:
        return {kXenBase + XEN_CPUID_MAX_NUM_LEAVES, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX,
                XEN_CPUID_SIGNATURE_EDX};
    case 1: return {kAbiVersion, 0, 0, 0};
    case 2: return {1, kXenBase, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0};
    case 3: return time_leaf(policy, subleaf);
    case 5: return subleaf == 0 ? CpuidLeaf{0, system_policies().facts.address_bits & 0xff, 0, 0} : CpuidLeaf{};
    default: return {};
    }
}

// Sizes depend on the components that the vCPU has enabled.
void xsave_leaf(CpuPolicy const& policy, PvState const& state, std::uint32_t subleaf, CpuidLeaf& answer)
{
    if (policy.xcr0_mask() == 0)
        return;
    if (subleaf == 0)
        answer.b = policy.xsave_size(state.xcr0);
    else if (subleaf == 1 && (answer.a & 2) != 0) // XSAVEC
        answer.b = policy.xsave_compact_size(state.xcr0);
}

} // namespace

CpuidLeaf guest_cpuid(Vcpu const& vcpu, std::uint32_t leaf, std::uint32_t subleaf, bool forced)
{
    CpuPolicy const& policy = *vcpu.domain().policy;
    if (leaf >> 16 == kXenBase >> 16)
        return leaf - kXenBase <= XEN_CPUID_MAX_NUM_LEAVES ? xen_leaf(policy, leaf - kXenBase, subleaf) : CpuidLeaf{};
    bool const extended = leaf >> 16 == 0x8000;
    if ((extended ? policy.max_extended() : policy.max_basic()) < leaf)
        return {};
    CpuidLeaf const* const stored = policy.find(leaf, subleaf);
    if (stored == nullptr)
        return {};
    CpuidLeaf answer = *stored;
    if (leaf == 1)
    {
        bool const xsave = policy.xcr0_mask() != 0;
        bool const enabled = (vcpu.pv.cr4 & kCr4OsXsave) != 0 || (forced && vcpu.pv.in_kernel);
        answer.c = xsave && enabled ? answer.c | kBitOsXsave : answer.c & ~kBitOsXsave;
    }
    else if (leaf == 0xd)
        xsave_leaf(policy, vcpu.pv, subleaf, answer);
    return answer;
}

} // namespace hv::policy
