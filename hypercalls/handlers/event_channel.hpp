// SPDX-License-Identifier: MIT
// event_channel_op: ports, bindings and signals (surface 3.5).
#pragma once

#include <hypercalls/abi/xen.hpp>
#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult event_channel_op_call(Caller& caller, std::uint64_t operation, std::uint64_t argument, std::uint64_t extra);

namespace event_channel_op
{

CallResult bind_interdomain(Caller& caller, abi::evtchn_bind_interdomain& args);
CallResult bind_virq(Caller& caller, abi::evtchn_bind_virq& args);
CallResult bind_pirq(Caller& caller, abi::evtchn_bind_pirq& args);
CallResult close(Caller& caller, abi::evtchn_close const& args);
CallResult send(Caller& caller, abi::evtchn_send const& args);
CallResult status(Caller& caller, abi::evtchn_status& args);
CallResult alloc_unbound(Caller& caller, abi::evtchn_alloc_unbound& args);
CallResult bind_ipi(Caller& caller, abi::evtchn_bind_ipi& args);
CallResult bind_vcpu(Caller& caller, abi::evtchn_bind_vcpu const& args);
CallResult unmask(Caller& caller, abi::evtchn_unmask const& args);
CallResult reset(Caller& caller, abi::evtchn_reset const& args);
CallResult init_control(Caller& caller, abi::evtchn_init_control& args);
CallResult expand_array(Caller& caller, abi::evtchn_expand_array const& args);
CallResult set_priority(Caller& caller, abi::evtchn_set_priority const& args);

} // namespace event_channel_op
} // namespace hv::handlers
