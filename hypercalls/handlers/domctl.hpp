// SPDX-License-Identifier: MIT
// domctl.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult domctl_call(Caller& caller, std::uint64_t address);

namespace domctl
{

// What an operation works on; `op.domain` names it. Srch.
Result<void> find_target(abi::xen_domctl const& op, DomainRef& target);
// The same, but not a domain that has begun to die (Srch): for what changes it or touches memory that it gives back then.
Result<void> find_living(abi::xen_domctl const& op, DomainRef& target);
// The vCPU `id` of the target: Srch when it does not exist.
Result<Vcpu*> find_vcpu(Domain& domain, std::uint32_t id);
// Fills in the entries of the domains with the lowest ids >= `from`; how many. sysctl uses it too.
std::size_t describe_domains(std::uint32_t from, std::span<abi::xen_domctl_getdomaininfo> infos);
inline constexpr std::size_t kDescribedAtOnce = 8; // more place is left alone

#define HV_SUBOP(group, number, name, function, direction, privilege, preempt, errors, doc) \
    CallResult function(Caller& caller, abi::xen_domctl& op);
#include <hypercalls/table/domctl.def>
#undef HV_SUBOP

} // namespace domctl
} // namespace hv::handlers
