// SPDX-License-Identifier: MIT
// Hypercalls on debug registers.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult set_debugreg(Caller& caller); // args: register, value
CallResult get_debugreg(Caller& caller); // args: register

} // namespace hv::handlers
