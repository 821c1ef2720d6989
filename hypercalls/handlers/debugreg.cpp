// SPDX-License-Identifier: MIT
// set_debugreg and get_debugreg: register numbers and values as the guest gives them.
#include <hypercalls/handlers/debugreg.hpp>

#include <core/policy/debug_registers.hpp>

namespace hv::handlers
{

CallResult set_debugreg(Caller& caller, std::uint64_t index, std::uint64_t value)
{
    auto const number = static_cast<std::uint32_t>(index);
    HV_TRY_VOID(policy::set_debug_register(caller.vcpu(), number, value));
    return 0;
}

CallResult get_debugreg(Caller& caller, std::uint64_t index)
{
    auto const number = static_cast<std::uint32_t>(index);
    return static_cast<std::int64_t>(HV_TRY(policy::get_debug_register(caller.vcpu(), number)));
}

} // namespace hv::handlers
