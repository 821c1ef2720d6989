// SPDX-License-Identifier: MIT
// vcpu_op: bringing vCPUs up, their timers and registered areas (surface 3.3). The vCPU is the second register.
#pragma once

#include <hypercalls/abi/xen.hpp>
#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult vcpu_op_call(Caller& caller);

namespace vcpu_op
{

CallResult initialise(Caller& caller, std::uint64_t argument);
CallResult up(Caller& caller);
CallResult down(Caller& caller);
CallResult is_up(Caller& caller);
CallResult get_runstate_info(Caller& caller, abi::vcpu_runstate_info& out);
CallResult register_runstate_area(Caller& caller, abi::vcpu_register_runstate_memory_area const& args);
CallResult set_periodic_timer(Caller& caller, abi::vcpu_set_periodic_timer const& args);
CallResult stop_periodic_timer(Caller& caller);
CallResult set_singleshot_timer(Caller& caller, abi::vcpu_set_singleshot_timer const& args);
CallResult stop_singleshot_timer(Caller& caller);
CallResult register_info(Caller& caller, abi::vcpu_register_vcpu_info const& args);
CallResult send_nmi(Caller& caller);
CallResult get_physid(Caller& caller, abi::vcpu_get_physid& out);
CallResult register_time_area(Caller& caller, abi::vcpu_register_time_memory_area const& args);

} // namespace vcpu_op
} // namespace hv::handlers
