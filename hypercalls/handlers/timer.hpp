// SPDX-License-Identifier: MIT
// set_timer_op: the one-shot timer of guests that do not use vcpu_op for it.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult set_timer_op(Caller& caller, std::uint64_t deadline);

} // namespace hv::handlers
