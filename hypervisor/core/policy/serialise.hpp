// SPDX-License-Identifier: MIT
// CPU policies as the tools exchange them: lists of CPUID leaves and MSRs (XEN_DOMCTL_{get,set}_cpu_policy and
// XEN_SYSCTL_get_cpu_policy, get_cpu_featureset, get_cpu_levelling_caps).
#pragma once

#include <core/policy/cpu_policy.hpp>
#include <hypercalls/abi/xen.hpp>
#include <lib/result.hpp>

#include <cstdint>

namespace hv
{
class Domain;
}

namespace hv::policy
{

// Upper bounds of what serialisation yields.
inline constexpr std::uint32_t kMaxSerialisedLeaves = CpuPolicy::kBasicLeaves + CpuPolicy::kCacheLeaves +
                                                      CpuPolicy::kFeatureLeaves + CpuPolicy::kTopologyLeaves +
                                                      CpuPolicy::kXsaveLeaves + CpuPolicy::kExtendedLeaves;
inline constexpr std::uint32_t kMaxSerialisedMsrs = 2;
// What the tools are told when they ask with an empty buffer: they size lists of their own by it, and those have places
// for more leaves than ours (64 XSAVE components, the hypervisor's own leaves).
inline constexpr std::uint32_t kReportedLeaves = 120; // seen with xen-cpuid -p; the tools refuse longer lists
inline constexpr std::uint32_t kReportedMsrs = 2;

// The leaves in ascending order, one at a time: set `position` to 0, call until it returns false.
[[nodiscard]] bool next_leaf(CpuPolicy const& policy, std::uint32_t& position, abi::xen_cpuid_leaf& leaf);
[[nodiscard]] bool next_msr(CpuPolicy const& policy, std::uint32_t& position, abi::xen_msr_entry& entry);
[[nodiscard]] std::uint32_t count_leaves(CpuPolicy const& policy);

// Where auditing found fault; XEN_CPUID_NO_SUBLEAF and ~0 stand for "not there".
struct PolicyError
{
    std::uint32_t leaf = ~0u;
    std::uint32_t subleaf = ~0u;
    std::uint32_t msr = ~0u;
};

// An edited policy on its way into a domain: begin with a copy of the present one, apply the tools' entries, commit.
// Nothing reaches the domain before commit().
class PolicyUpdate
{
public:
    explicit PolicyUpdate(CpuPolicy const& present) : policy_(present) {}

    // Range: no such leaf or sub-leaf.
    Result<void> apply(abi::xen_cpuid_leaf const& leaf);
    // Range: no such MSR in policies. Inval: reserved flags. Overflow: bits that the MSR cannot hold.
    Result<void> apply(abi::xen_msr_entry const& entry);
    // Exist: the domain has been built already. Inval: limits beyond `maximum`. Features beyond it are dropped silently.
    Result<void> commit(Domain& domain, CpuPolicy const& maximum);

    [[nodiscard]] PolicyError const& error() const { return error_; }

private:
    Result<void> audit(CpuPolicy const& maximum);
    Result<void> refuse(std::uint32_t leaf, std::uint32_t subleaf);

    CpuPolicy policy_;
    PolicyError error_{};
};

// XEN_SYSCTL_cpu_policy_* by number. OpNotSupp for hardware-assisted guests, Inval for unknown numbers.
[[nodiscard]] Result<CpuPolicy const*> system_policy(std::uint32_t index);
// XEN_SYSCTL_cpu_featureset_* by number; errors as above.
[[nodiscard]] Result<FeatureSet> system_features(std::uint32_t index);
// XEN_SYSCTL_CPU_LEVELCAP_*: how native CPUID of guests can be influenced on this machine.
[[nodiscard]] std::uint32_t levelling_capabilities();

} // namespace hv::policy
