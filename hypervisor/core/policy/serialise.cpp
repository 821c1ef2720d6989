// SPDX-License-Identifier: MIT
// Reading policies out, and auditing what comes back.
#include <core/policy/serialise.hpp>

#include <core/domain/domain.hpp>
#include <core/policy/msr_rules.hpp>
#include <core/policy/system_policies.hpp>

namespace hv::policy
{
namespace
{

constexpr std::uint32_t kExtendedBase = 0x80000000;
constexpr std::uint32_t kXenBase = 0x40000000;
constexpr std::uint32_t kXenSecondBase = 0x40000100;
constexpr std::uint32_t kCpuidFaulting = 1u << 31;

// A place in the fixed order of all leaves that can be stored.
struct Place
{
    std::uint32_t leaf;
    std::uint32_t subleaf;
};

// Leaves with sub-leaves take the place of the plain one.
constexpr std::uint32_t kWithSubleaves = 4;
constexpr std::uint32_t kPlaces = kMaxSerialisedLeaves - kWithSubleaves;

struct Places
{
    Place at[kPlaces];
};

consteval Places all_places()
{
    Places places{};
    std::uint32_t count = 0;
    for (std::uint32_t leaf = 0; leaf < CpuPolicy::kBasicLeaves; ++leaf)
    {
        std::uint32_t subleaves = 0;
        switch (leaf)
        {
        case 4: subleaves = CpuPolicy::kCacheLeaves; break;
        case 7: subleaves = CpuPolicy::kFeatureLeaves; break;
        case 0xb: subleaves = CpuPolicy::kTopologyLeaves; break;
        case 0xd: subleaves = CpuPolicy::kXsaveLeaves; break;
        default: places.at[count++] = {leaf, XEN_CPUID_NO_SUBLEAF}; break;
        }
        for (std::uint32_t subleaf = 0; subleaf < subleaves; ++subleaf)
            places.at[count++] = {leaf, subleaf};
    }
    for (std::uint32_t leaf = 0; leaf < CpuPolicy::kExtendedLeaves; ++leaf)
        places.at[count++] = {kExtendedBase + leaf, XEN_CPUID_NO_SUBLEAF};
    return places;
}

constexpr Places kAllPlaces = all_places();

// The leaf says something under this policy's own limits.
bool is_present(CpuPolicy const& policy, Place place)
{
    if (place.leaf >= kExtendedBase)
        return place.leaf <= policy.max_extended();
    if (place.leaf > policy.max_basic())
        return false;
    switch (place.leaf)
    {
    case 4: return place.subleaf == 0 || (policy.cache[place.subleaf].a & 0x1f) != 0;
    case 7: return place.subleaf <= policy.feature[0].a;
    case 0xd: return place.subleaf < 2 || policy.xsave[place.subleaf].a != 0;
    default: return true;
    }
}

} // namespace

bool next_leaf(CpuPolicy const& policy, std::uint32_t& position, abi::xen_cpuid_leaf& leaf)
{
    while (position < kPlaces)
    {
        Place const place = kAllPlaces.at[position++];
        if (!is_present(policy, place))
            continue;
        CpuidLeaf const& stored = *policy.find(place.leaf, place.subleaf);
        leaf = {place.leaf, place.subleaf, stored.a, stored.b, stored.c, stored.d};
        return true;
    }
    return false;
}

bool next_msr(CpuPolicy const& policy, std::uint32_t& position, abi::xen_msr_entry& entry)
{
    switch (position++)
    {
    case 0: entry = {kMsrPlatformInfo, 0, policy.platform_info}; return true;
    case 1: entry = {kMsrArchCapabilities, 0, policy.arch_capabilities}; return true;
    default: return false;
    }
}

std::uint32_t count_leaves(CpuPolicy const& policy)
{
    std::uint32_t count = 0;
    std::uint32_t position = 0;
    abi::xen_cpuid_leaf leaf;
    while (next_leaf(policy, position, leaf))
        ++count;
    return count;
}

Result<void> PolicyUpdate::refuse(std::uint32_t leaf, std::uint32_t subleaf)
{
    error_.leaf = leaf;
    error_.subleaf = subleaf;
    return Errno::Inval;
}

Result<void> PolicyUpdate::apply(abi::xen_cpuid_leaf const& leaf)
{
    // The leaves of the hypervisor's own range are not the tools' to choose.
    if (leaf.subleaf == XEN_CPUID_NO_SUBLEAF && (leaf.leaf == kXenBase || leaf.leaf == kXenSecondBase))
        return {};
    bool const plain = leaf.subleaf == XEN_CPUID_NO_SUBLEAF;
    CpuidLeaf* const stored = plain == has_subleaves(leaf.leaf) ? nullptr : policy_.find(leaf.leaf, leaf.subleaf);
    if (stored == nullptr && (leaf.a | leaf.b | leaf.c | leaf.d) == 0)
        return {}; // the tools list leaves that we have no place for (XSAVE components); zero is what those read as
    if (stored == nullptr)
    {
        static_cast<void>(refuse(leaf.leaf, leaf.subleaf));
        return Errno::Range;
    }
    *stored = {leaf.a, leaf.b, leaf.c, leaf.d};
    return {};
}

Result<void> PolicyUpdate::apply(abi::xen_msr_entry const& entry)
{
    error_.msr = entry.idx;
    HV_REQUIRE(entry.flags == 0, Errno::Inval);
    switch (entry.idx)
    {
    case kMsrPlatformInfo:
        HV_REQUIRE(entry.val >> 32 == 0, Errno::Overflow);
        policy_.platform_info = static_cast<std::uint32_t>(entry.val);
        break;
    case kMsrArchCapabilities: policy_.arch_capabilities = entry.val; break;
    default: return Errno::Range;
    }
    error_.msr = ~0u;
    return {};
}

Result<void> PolicyUpdate::audit(CpuPolicy const& maximum)
{
    if (policy_.max_basic() > maximum.max_basic())
        return refuse(0, XEN_CPUID_NO_SUBLEAF);
    if (policy_.max_basic() >= 7 && policy_.feature[0].a > maximum.feature[0].a)
        return refuse(7, 0);
    if (policy_.max_extended() > maximum.max_extended())
        return refuse(kExtendedBase, XEN_CPUID_NO_SUBLEAF);
    if ((policy_.platform_info & ~maximum.platform_info & kCpuidFaulting) != 0)
    {
        error_.msr = kMsrPlatformInfo;
        return Errno::Inval;
    }
    return {};
}

Result<void> PolicyUpdate::commit(Domain& domain, CpuPolicy const& maximum)
{
    HV_REQUIRE(domain.life == Life::Building, Errno::Exist);
    HV_TRY_VOID(audit(maximum));
    recalculate(policy_, maximum);
    *domain.policy = policy_;
    return {};
}

Result<CpuPolicy const*> system_policy(std::uint32_t index)
{
    SystemPolicies const& policies = system_policies();
    switch (index)
    {
    case XEN_SYSCTL_cpu_policy_raw: return &policies.raw;
    case XEN_SYSCTL_cpu_policy_host: return &policies.host;
    case XEN_SYSCTL_cpu_policy_pv_max: return &policies.pv_maximum;
    case XEN_SYSCTL_cpu_policy_pv_default: return &policies.pv_default;
    case XEN_SYSCTL_cpu_policy_hvm_max:
    case XEN_SYSCTL_cpu_policy_hvm_default: return Errno::OpNotSupp;
    default: return Errno::Inval;
    }
}

Result<FeatureSet> system_features(std::uint32_t index)
{
    SystemPolicies const& policies = system_policies();
    switch (index)
    {
    case XEN_SYSCTL_cpu_featureset_raw: return policies.raw.features();
    case XEN_SYSCTL_cpu_featureset_host: return policies.host.features();
    case XEN_SYSCTL_cpu_featureset_pv: return policies.pv_default.features();
    case XEN_SYSCTL_cpu_featureset_pv_max: return policies.pv_maximum.features();
    case XEN_SYSCTL_cpu_featureset_hvm:
    case XEN_SYSCTL_cpu_featureset_hvm_max: return Errno::OpNotSupp;
    default: return Errno::Inval;
    }
}

std::uint32_t levelling_capabilities()
{
    bool const faulting = (system_policies().host.platform_info & kCpuidFaulting) != 0;
    return faulting ? static_cast<std::uint32_t>(XEN_SYSCTL_CPU_LEVELCAP_faulting) : 0;
}

} // namespace hv::policy
