// SPDX-License-Identifier: MIT
// The top level of hypercalls, without what only the entry code can do (iret).
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv
{

// Counts and calls; ENOSYS for unknown numbers. Restart: args hold where to go on.
CallResult dispatch_hypercall(Vcpu& vcpu, std::uint64_t number, HypercallArgs& args);

namespace handlers
{
CallResult multicall(Caller& caller);
} // namespace handlers

} // namespace hv
