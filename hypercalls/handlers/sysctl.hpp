// SPDX-License-Identifier: MIT
// sysctl.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult sysctl_call(Caller& caller, std::uint64_t address);

namespace sysctl
{

#define HV_SUBOP(group, number, name, function, direction, privilege, preempt, errors, doc) \
    CallResult function(Caller& caller, abi::xen_sysctl& op);
#include <hypercalls/table/sysctl.def>
#undef HV_SUBOP

} // namespace sysctl
} // namespace hv::handlers
