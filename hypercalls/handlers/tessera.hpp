// SPDX-License-Identifier: MIT
// tessera_op.
#pragma once

#include <hypercalls/abi/tessera.hpp>
#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers::tessera_op
{

CallResult interface(Caller& caller);
CallResult read_counters(Caller& caller, abi::tessera_read_counters& args);

} // namespace hv::handlers::tessera_op
