// SPDX-License-Identifier: MIT
// Hypercalls that set a PV vCPU's own state: traps, callbacks, stacks, segments, assists.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult set_trap_table(Caller& caller);
CallResult stack_switch(Caller& caller);
CallResult set_callbacks(Caller& caller);
CallResult fpu_taskswitch(Caller& caller);
CallResult set_segment_base(Caller& caller);
CallResult vm_assist(Caller& caller);
CallResult console_io(Caller& caller);

namespace callback_op
{
CallResult register_(Caller& caller, abi::callback_register const& args);
CallResult unregister(Caller& caller, abi::callback_unregister const& args);
} // namespace callback_op

namespace nmi_op
{
CallResult register_(Caller& caller, abi::xennmi_callback const& args);
CallResult unregister(Caller& caller, std::uint64_t);
} // namespace nmi_op

} // namespace hv::handlers
