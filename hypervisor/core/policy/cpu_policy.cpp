// SPDX-License-Identifier: MIT
// CPU policies: from the machine's CPUID to what a guest may see. Leaf layouts: Intel SDM vol. 2 (CPUID), AMD APM vol. 3.
#include <core/policy/cpu_policy.hpp>

namespace hv
{

using policy::FeatureSet;
namespace word = policy::word;

CpuidLeaf const* CpuPolicy::find(std::uint32_t leaf, std::uint32_t subleaf) const
{
    switch (leaf)
    {
    case 4: return subleaf < kCacheLeaves ? &cache[subleaf] : nullptr;
    case 7: return subleaf < kFeatureLeaves ? &feature[subleaf] : nullptr;
    case 0xb: return subleaf < kTopologyLeaves ? &topology[subleaf] : nullptr;
    case 0xd: return subleaf < kXsaveLeaves ? &xsave[subleaf] : nullptr;
    default: break;
    }
    if (leaf < kBasicLeaves)
        return &basic[leaf];
    if (leaf >= 0x80000000 && leaf - 0x80000000 < kExtendedLeaves)
        return &extended[leaf - 0x80000000];
    return nullptr;
}

CpuidLeaf* CpuPolicy::find(std::uint32_t leaf, std::uint32_t subleaf)
{
    return const_cast<CpuidLeaf*>(static_cast<CpuPolicy const*>(this)->find(leaf, subleaf));
}

std::uint32_t CpuPolicy::feature_word(unsigned index) const
{
    switch (index)
    {
    case word::kLeaf1Edx: return basic[1].d;
    case word::kLeaf1Ecx: return basic[1].c;
    case word::kExtended1Edx: return extended[1].d;
    case word::kExtended1Ecx: return extended[1].c;
    case word::kXsave1Eax: return xsave[1].a;
    case word::kLeaf7Ebx: return feature[0].b;
    case word::kLeaf7Ecx: return feature[0].c;
    case word::kExtended7Edx: return extended[7].d;
    case word::kExtended8Ebx: return extended[8].b;
    case word::kLeaf7Edx: return feature[0].d;
    case word::kLeaf7Sub1Eax: return feature[1].a;
    case word::kExtended21Eax: return extended[0x21].a;
    case word::kLeaf7Sub1Ebx: return feature[1].b;
    case word::kLeaf7Sub2Edx: return feature[2].d;
    case word::kLeaf7Sub1Ecx: return feature[1].c;
    case word::kLeaf7Sub1Edx: return feature[1].d;
    case word::kArchCapabilitiesLow: return static_cast<std::uint32_t>(arch_capabilities);
    case word::kArchCapabilitiesHigh: return static_cast<std::uint32_t>(arch_capabilities >> 32);
    case word::kExtended21Ecx: return extended[0x21].c;
    default: return 0;
    }
}

FeatureSet CpuPolicy::features() const
{
    FeatureSet set;
    for (unsigned i = 0; i < policy::kFeatureWords; ++i)
        set.words[i] = feature_word(i);
    return set;
}

policy::GuestCr4Features CpuPolicy::cr4_features() const
{
    return {has(abi::XEN_X86_FEATURE_DE), has(abi::XEN_X86_FEATURE_FSGSBASE), has(abi::XEN_X86_FEATURE_XSAVE)};
}

void CpuPolicy::set_features(FeatureSet const& set)
{
    basic[1].d = set.words[word::kLeaf1Edx];
    basic[1].c = set.words[word::kLeaf1Ecx];
    extended[1].d = set.words[word::kExtended1Edx];
    extended[1].c = set.words[word::kExtended1Ecx];
    xsave[1].a = set.words[word::kXsave1Eax];
    feature[0].b = set.words[word::kLeaf7Ebx];
    feature[0].c = set.words[word::kLeaf7Ecx];
    extended[7].d = set.words[word::kExtended7Edx];
    extended[8].b = set.words[word::kExtended8Ebx];
    feature[0].d = set.words[word::kLeaf7Edx];
    feature[1].a = set.words[word::kLeaf7Sub1Eax];
    extended[0x21].a = set.words[word::kExtended21Eax];
    feature[1].b = set.words[word::kLeaf7Sub1Ebx];
    feature[2].d = set.words[word::kLeaf7Sub2Edx];
    feature[1].c = set.words[word::kLeaf7Sub1Ecx];
    feature[1].d = set.words[word::kLeaf7Sub1Edx];
    arch_capabilities = set.words[word::kArchCapabilitiesLow] | std::uint64_t{set.words[word::kArchCapabilitiesHigh]}
                                                                    << 32;
    extended[0x21].c = set.words[word::kExtended21Ecx];
}

std::uint64_t CpuPolicy::xcr0_mask() const
{
    if ((basic[1].c & 1u << (abi::XEN_X86_FEATURE_XSAVE % 32)) == 0)
        return 0;
    return xsave[0].a | std::uint64_t{xsave[0].d} << 32;
}

namespace
{

constexpr std::uint32_t kLegacyXsaveBytes = 512 + 64;
constexpr std::uint32_t kCompactAlign64 = 1u << 1; // 0xd.n ecx

} // namespace

std::uint32_t CpuPolicy::xsave_size(std::uint64_t xcr0) const
{
    std::uint32_t size = kLegacyXsaveBytes;
    for (unsigned i = 2; i < kXsaveLeaves; ++i)
    {
        if ((xcr0 >> i & 1) != 0 && xsave[i].b + xsave[i].a > size)
            size = xsave[i].b + xsave[i].a;
    }
    return size;
}

std::uint32_t CpuPolicy::xsave_compact_size(std::uint64_t xcr0) const
{
    std::uint32_t size = kLegacyXsaveBytes;
    for (unsigned i = 2; i < kXsaveLeaves; ++i)
    {
        if ((xcr0 >> i & 1) == 0)
            continue;
        if ((xsave[i].c & kCompactAlign64) != 0)
            size = (size + 63) & ~63u;
        size += xsave[i].a;
    }
    return size;
}

} // namespace hv
