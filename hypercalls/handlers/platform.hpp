// SPDX-License-Identifier: MIT
// platform_op.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult platform_op_call(Caller& caller, std::uint64_t address);

namespace platform_op
{

CallResult set_time32(Caller& caller, abi::xen_platform_op const& op);
CallResult set_time64(Caller& caller, abi::xen_platform_op const& op);
CallResult firmware_info(Caller& caller, abi::xen_platform_op& op);
CallResult enter_sleep(Caller& caller, abi::xen_platform_op const& op);
CallResult idle_time(Caller& caller, abi::xen_platform_op& op);
CallResult cpu_info(Caller& caller, abi::xen_platform_op& op);
CallResult cpu_version(Caller& caller, abi::xen_platform_op& op);
CallResult cpu_online(Caller& caller, abi::xen_platform_op const& op);

} // namespace platform_op
} // namespace hv::handlers
