// SPDX-License-Identifier: MIT
// CPU policies to and from the tools.
#include <hypercalls/handlers/policy_lists.hpp>

#include <core/policy/system_policies.hpp>

namespace hv::handlers
{

Result<void> write_policy(CpuPolicy const& policy, PolicyLists& lists)
{
    std::uint32_t written = 0;
    std::uint32_t position = 0;
    abi::xen_cpuid_leaf leaf;
    while (lists.leaves != 0 && policy::next_leaf(policy, position, leaf))
    {
        HV_REQUIRE(written < lists.leaf_count, Errno::NoBufs);
        HV_TRY_VOID(GuestOut<abi::xen_cpuid_leaf>(lists.leaves).write(leaf, written++));
    }
    // The tools' library takes the count it gets as the size of a list of its own, which has places for every leaf it
    // knows. Sub-leaf 62 of leaf 0xd, which is not an XSAVE component, fills up to that size.
    for (; lists.leaves != 0 && written < policy::kReportedLeaves && written < lists.leaf_count; ++written)
        HV_TRY_VOID(GuestOut<abi::xen_cpuid_leaf>(lists.leaves).write({0xd, 62, 0, 0, 0, 0}, written));
    lists.leaf_count = lists.leaves != 0 ? written : policy::kReportedLeaves;
    written = position = 0;
    abi::xen_msr_entry entry;
    while (lists.msrs != 0 && policy::next_msr(policy, position, entry))
    {
        HV_REQUIRE(written < lists.msr_count, Errno::NoBufs);
        HV_TRY_VOID(GuestOut<abi::xen_msr_entry>(lists.msrs).write(entry, written++));
    }
    lists.msr_count = lists.msrs != 0 ? written : policy::kReportedMsrs;
    return {};
}

Result<void> apply_policy(Domain& domain, PolicyLists const& lists, policy::PolicyError& error)
{
    constexpr std::uint32_t kLongest = 1024; // bounds the work
    HV_REQUIRE(lists.leaf_count <= kLongest && lists.msr_count <= kLongest, Errno::TooBig);
    policy::PolicyUpdate update(*domain.policy);
    Result<void> result;
    for (std::uint32_t i = 0; i < lists.leaf_count && result; ++i)
        result = update.apply(HV_TRY(GuestIn<abi::xen_cpuid_leaf>(lists.leaves).read(i)));
    for (std::uint32_t i = 0; i < lists.msr_count && result; ++i)
        result = update.apply(HV_TRY(GuestIn<abi::xen_msr_entry>(lists.msrs).read(i)));
    if (result)
        result = update.commit(domain, policy::system_policies().pv_maximum);
    error = update.error();
    return result;
}

} // namespace hv::handlers
