// SPDX-License-Identifier: MIT
// Hypercalls that set a PV vCPU's own state: traps, callbacks, stacks, segments, assists.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult set_trap_table(Caller& caller, std::uint64_t address);
CallResult stack_switch(Caller& caller, std::uint64_t selector, std::uint64_t pointer);
CallResult set_callbacks(Caller& caller, std::uint64_t event, std::uint64_t failsafe, std::uint64_t syscall);
CallResult fpu_taskswitch(Caller& caller, std::uint64_t set);
CallResult set_segment_base(Caller& caller, std::uint64_t selected, std::uint64_t base);
CallResult vm_assist(Caller& caller, std::uint64_t operation, std::uint64_t number);
CallResult console_io(Caller& caller, std::uint64_t operation, std::uint64_t count, std::uint64_t address);

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
