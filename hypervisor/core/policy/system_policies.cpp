// SPDX-License-Identifier: MIT
// Storage and initialisation of the machine's policies.
#include <core/policy/system_policies.hpp>

#include <core/mm/allocator.hpp>

namespace hv::policy
{
namespace
{

constinit SystemPolicies policies;

} // namespace

void initialise_policies(HostCpu& host, MachineFacts const& facts)
{
    policies.raw = read_raw_policy(host);
    policies.host = derive_host_policy(policies.raw, host);
    policies.pv_maximum = derive_pv_policy(policies.host, kPvMaximum);
    policies.pv_default = derive_pv_policy(policies.host, kPvDefault);
    policies.facts = facts;
}

SystemPolicies const& system_policies()
{
    return policies;
}

CpuPolicy* create_domain_policy(bool control)
{
    auto* policy = heap_new<CpuPolicy>(policies.pv_default);
    if (policy != nullptr && control)
    {
        FeatureSet features = policy->features();
        features.set(abi::XEN_X86_FEATURE_ITSC, policies.host.has(abi::XEN_X86_FEATURE_ITSC));
        policy->set_features(features);
    }
    return policy;
}

void destroy_domain_policy(CpuPolicy* policy)
{
    heap_delete(policy);
}

} // namespace hv::policy
