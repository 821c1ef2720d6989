// SPDX-License-Identifier: MIT
// sched_op and its old form: giving up the CPU, waiting, shutting down (surface 3.2).
#pragma once

#include <hypercalls/abi/xen.hpp>
#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult sched_op_call(Caller& caller, std::uint64_t operation, std::uint64_t argument, std::uint64_t extra);
CallResult sched_op_compat(Caller& caller, std::uint64_t operation, std::uint64_t argument);

namespace sched_op
{

CallResult yield(Caller& caller);
CallResult block(Caller& caller);
CallResult shutdown(Caller& caller, abi::sched_shutdown const& args);
CallResult poll(Caller& caller, abi::sched_poll const& args);
CallResult remote_shutdown(Caller& caller, abi::sched_remote_shutdown const& args);
CallResult shutdown_code(Caller& caller, abi::sched_shutdown const& args);
CallResult watchdog(Caller& caller, abi::sched_watchdog const& args);
CallResult pin_override(Caller& caller, abi::sched_pin_override const& args);

} // namespace sched_op
} // namespace hv::handlers
