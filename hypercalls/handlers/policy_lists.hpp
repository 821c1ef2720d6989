// SPDX-License-Identifier: MIT
// CPU policies as lists in the memory of the tools.
#pragma once

#include <core/policy/serialise.hpp>
#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

struct PolicyLists
{
    std::uint64_t leaves, msrs; // guest addresses, 0 = only count
    std::uint32_t leaf_count, msr_count;
};

// Writes the policy out; the counts become what was written, or the most there can be where the address is 0.
// NoBufs when a list is too short, Fault.
Result<void> write_policy(CpuPolicy const& policy, PolicyLists& lists);

// Applies the lists to a domain that is not built yet. `error` says where auditing found fault.
Result<void> apply_policy(Domain& domain, PolicyLists const& lists, policy::PolicyError& error);

} // namespace hv::handlers
