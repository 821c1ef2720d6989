// SPDX-License-Identifier: MIT
// Derivation of the host's and of the guests' CPU policies.
#include <core/policy/cpu_policy.hpp>

namespace hv::policy
{
namespace
{

constexpr std::uint32_t kExtendedBase = 0x80000000;

constexpr std::uint64_t kXcr0Legacy = 3; // x87 and SSE
constexpr std::uint64_t kXcr0Avx = 1 << 2;
constexpr std::uint64_t kXcr0Avx512 = 7 << 5;

std::uint32_t least(std::uint32_t a, std::uint32_t b)
{
    return a < b ? a : b;
}

// Highest leaf with anything in it, of those up to `limit`; trims what the tools would otherwise list as empty.
void clear_from(CpuPolicy& policy, std::uint32_t first_basic, std::uint32_t first_extended)
{
    for (std::uint32_t leaf = first_basic; leaf < CpuPolicy::kBasicLeaves; ++leaf)
        policy.basic[leaf] = {};
    if (first_basic <= 4)
        policy.cache = {};
    if (first_basic <= 7)
        policy.feature = {};
    if (first_basic <= 0xb)
        policy.topology = {};
    if (first_basic <= 0xd)
        policy.xsave = {};
    for (std::uint32_t leaf = first_extended; leaf < CpuPolicy::kExtendedLeaves; ++leaf)
        policy.extended[leaf] = {};
}

std::uint64_t xcr0_for(FeatureSet const& features)
{
    if (!features.test(abi::XEN_X86_FEATURE_XSAVE))
        return 0;
    return kXcr0Legacy | (features.test(abi::XEN_X86_FEATURE_AVX) ? kXcr0Avx : 0) |
           (features.test(abi::XEN_X86_FEATURE_AVX512F) ? kXcr0Avx512 : 0);
}

// XSAVE leaves follow from the features; component sizes and offsets are those of the machine.
void rebuild_xsave(CpuPolicy& policy, CpuPolicy const& from, FeatureSet const& features)
{
    std::uint64_t const mask = xcr0_for(features) & from.xcr0_mask();
    std::uint32_t const instructions = features.words[word::kXsave1Eax];
    policy.xsave = {};
    if (mask == 0)
        return;
    for (unsigned i = 2; i < CpuPolicy::kXsaveLeaves; ++i)
    {
        if ((mask >> i & 1) != 0)
            policy.xsave[i] = from.xsave[i];
    }
    policy.xsave[0].a = static_cast<std::uint32_t>(mask);
    policy.xsave[0].d = static_cast<std::uint32_t>(mask >> 32);
    policy.xsave[0].c = policy.xsave_size(mask);
    policy.xsave[0].b = policy.xsave[0].c;
    policy.xsave[1].a = instructions;
}

// Leaves that describe what a guest does not have: MONITOR (5), thermal (6), DCA (9), performance monitoring (0xa),
// the APIC id and thread counts of leaf 1, topology of the machine, SVM.
void hide_machine(CpuPolicy& policy)
{
    policy.basic[1].b &= 0x0000ff00; // CLFLUSH line size
    policy.basic[5] = {};
    policy.basic[6] = {};
    policy.basic[8] = {};
    policy.basic[9] = {};
    policy.basic[0xa] = {};
    policy.basic[0xc] = {};
    policy.topology = {};
    policy.extended[7].a = policy.extended[7].b = policy.extended[7].c = 0;
    policy.extended[8].a &= 0x0000ffff; // physical and linear address bits
    policy.extended[8].c = 0;           // core count
    policy.extended[8].d = 0;
    for (unsigned leaf = 9; leaf < CpuPolicy::kExtendedLeaves; ++leaf)
    {
        bool const kept = leaf == 0x19 || leaf == 0x1a || leaf == 0x21; // TLB sizes, FP hints, features
        if (!kept)
            policy.extended[leaf] = {};
    }
    policy.extended[0x21].b = policy.extended[0x21].d = 0;
}

void limit_linear_bits(CpuPolicy& policy)
{
    std::uint32_t& sizes = policy.extended[8].a;
    if ((sizes >> 8 & 0xff) > 48)
        sizes = (sizes & 0xff) | 48u << 8;
}

} // namespace

CpuPolicy read_raw_policy(HostCpu& host)
{
    CpuPolicy raw;
    raw.basic[0] = host.cpuid(0, 0);
    raw.basic[0].a = least(raw.basic[0].a, CpuPolicy::kBasicLeaves - 1);
    for (std::uint32_t leaf = 1; leaf <= raw.max_basic(); ++leaf)
    {
        if (!has_subleaves(leaf))
            raw.basic[leaf] = host.cpuid(leaf, 0);
    }
    if (raw.max_basic() >= 4)
    {
        for (std::uint32_t i = 0; i < CpuPolicy::kCacheLeaves; ++i)
        {
            raw.cache[i] = host.cpuid(4, i);
            if ((raw.cache[i].a & 0x1f) == 0)
                break;
        }
    }
    if (raw.max_basic() >= 7)
    {
        raw.feature[0] = host.cpuid(7, 0);
        raw.feature[0].a = least(raw.feature[0].a, CpuPolicy::kFeatureLeaves - 1);
        for (std::uint32_t i = 1; i <= raw.feature[0].a; ++i)
            raw.feature[i] = host.cpuid(7, i);
    }
    if (raw.max_basic() >= 0xb)
    {
        for (std::uint32_t i = 0; i < CpuPolicy::kTopologyLeaves; ++i)
            raw.topology[i] = host.cpuid(0xb, i);
    }
    if (raw.max_basic() >= 0xd)
    {
        raw.xsave[0] = host.cpuid(0xd, 0);
        raw.xsave[1] = host.cpuid(0xd, 1);
        for (std::uint32_t i = 2; i < CpuPolicy::kXsaveLeaves; ++i)
        {
            if ((raw.xsave[0].a >> i & 1) != 0)
                raw.xsave[i] = host.cpuid(0xd, i);
        }
    }
    raw.extended[0] = host.cpuid(kExtendedBase, 0);
    if (raw.extended[0].a >> 16 != kExtendedBase >> 16)
        raw.extended[0].a = kExtendedBase;
    raw.extended[0].a = least(raw.extended[0].a, kExtendedBase + CpuPolicy::kExtendedLeaves - 1);
    for (std::uint32_t leaf = 1; leaf <= raw.extended[0].a - kExtendedBase; ++leaf)
        raw.extended[leaf] = host.cpuid(kExtendedBase + leaf, 0);
    if ((raw.feature[0].d & 1u << (abi::XEN_X86_FEATURE_ARCH_CAPS % 32)) != 0)
        raw.arch_capabilities = host.arch_capabilities();
    return raw;
}

CpuPolicy derive_host_policy(CpuPolicy const& raw, HostCpu& host)
{
    CpuPolicy policy = raw;
    FeatureSet features = raw.features();
    std::uint64_t const usable = host.xcr0_mask();
    features.set(abi::XEN_X86_FEATURE_OSXSAVE, false); // belongs to whoever runs, not to the CPU
    features.set(abi::XEN_X86_FEATURE_OSPKE, false);
    if ((usable & kXcr0Legacy) != kXcr0Legacy)
        features.set(abi::XEN_X86_FEATURE_XSAVE, false);
    if ((usable & kXcr0Avx) == 0)
        features.set(abi::XEN_X86_FEATURE_AVX, false);
    if ((usable & kXcr0Avx512) != kXcr0Avx512)
        features.set(abi::XEN_X86_FEATURE_AVX512F, false);
    drop_orphans(features);
    policy.set_features(features);
    rebuild_xsave(policy, raw, features);
    if (policy.max_basic() < 0xd)
        policy.xsave = {};
    return policy;
}

CpuPolicy derive_pv_policy(CpuPolicy const& host, FeatureSet const& allowed)
{
    CpuPolicy policy = host;
    hide_machine(policy);
    limit_linear_bits(policy);
    FeatureSet available = host.features();
    available.set(abi::XEN_X86_FEATURE_HYPERVISOR);
    FeatureSet features = available & allowed;
    drop_orphans(features);
    policy.set_features(features);
    rebuild_xsave(policy, host, features);
    policy.feature[0].a = least(host.feature[0].a, CpuPolicy::kFeatureLeaves - 1);
    if (policy.max_extended() >= kExtendedBase + 9 && policy.is_intel())
    {
        policy.extended[0].a = kExtendedBase + 8;
        clear_from(policy, CpuPolicy::kBasicLeaves, 9);
    }
    return policy;
}

void recalculate(CpuPolicy& policy, CpuPolicy const& maximum)
{
    policy.basic[0].a = least(policy.basic[0].a, maximum.basic[0].a);
    if (policy.extended[0].a >> 16 != kExtendedBase >> 16)
        policy.extended[0].a = kExtendedBase;
    policy.extended[0].a = least(policy.extended[0].a, maximum.extended[0].a);
    clear_from(policy, policy.basic[0].a + 1, policy.extended[0].a - kExtendedBase + 1);
    policy.feature[0].a = least(policy.feature[0].a, maximum.feature[0].a);
    for (std::uint32_t i = policy.feature[0].a + 1; i < CpuPolicy::kFeatureLeaves; ++i)
        policy.feature[i] = {};
    hide_machine(policy);

    FeatureSet features = policy.features() & maximum.features();
    features.set(abi::XEN_X86_FEATURE_HYPERVISOR);
    // Hiding these would not stop the guest from meeting them, only keep it from coping.
    for (unsigned const special : {abi::XEN_X86_FEATURE_FDP_EXCP_ONLY, abi::XEN_X86_FEATURE_NO_FPU_SEL})
        features.set(special, maximum.has(special));
    drop_orphans(features);
    policy.set_features(features);
    rebuild_xsave(policy, maximum, features);

    std::uint32_t const physical = least(policy.extended[8].a & 0xff, maximum.extended[8].a & 0xff);
    policy.extended[8].a = (maximum.extended[8].a & ~0xffu) | (physical < 32 ? maximum.extended[8].a & 0xff : physical);
    policy.platform_info &= maximum.platform_info;
}

} // namespace hv::policy
