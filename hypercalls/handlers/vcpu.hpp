// SPDX-License-Identifier: MIT
// vcpu_op: bringing vCPUs up, their timers and registered areas (surface 3.3). The vCPU is the second register.
#pragma once

#include <hypercalls/abi/xen.hpp>
#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult vcpu_op_call(Caller& caller, std::uint64_t operation, std::uint64_t id, std::uint64_t argument);

namespace vcpu_op
{

CallResult initialise(Caller& caller, std::uint64_t argument, std::uint64_t id);
CallResult up(Caller& caller, std::uint64_t id);
CallResult down(Caller& caller, std::uint64_t id);
CallResult is_up(Caller& caller, std::uint64_t id);
CallResult get_runstate_info(Caller& caller, abi::vcpu_runstate_info& out, std::uint64_t id);
CallResult register_runstate_area(Caller& caller, abi::vcpu_register_runstate_memory_area const& args,
                                  std::uint64_t id);
CallResult set_periodic_timer(Caller& caller, abi::vcpu_set_periodic_timer const& args, std::uint64_t id);
CallResult stop_periodic_timer(Caller& caller, std::uint64_t id);
CallResult set_singleshot_timer(Caller& caller, abi::vcpu_set_singleshot_timer const& args, std::uint64_t id);
CallResult stop_singleshot_timer(Caller& caller, std::uint64_t id);
CallResult register_info(Caller& caller, abi::vcpu_register_vcpu_info const& args, std::uint64_t id);
CallResult send_nmi(Caller& caller, std::uint64_t id);
CallResult get_physid(Caller& caller, abi::vcpu_get_physid& out, std::uint64_t id);
CallResult register_time_area(Caller& caller, abi::vcpu_register_time_memory_area const& args, std::uint64_t id);

} // namespace vcpu_op
} // namespace hv::handlers
