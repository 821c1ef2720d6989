// SPDX-License-Identifier: MIT
// Hypercalls on debug registers.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult set_debugreg(Caller& caller, std::uint64_t index, std::uint64_t value);
CallResult get_debugreg(Caller& caller, std::uint64_t index);

} // namespace hv::handlers
