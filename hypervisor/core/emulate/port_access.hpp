// SPDX-License-Identifier: MIT
// I/O ports as a guest sees them: who may use IN and OUT at all, and what the ports then answer.
#pragma once

#include <core/emulate/context.hpp>

#include <cstdint>

namespace hv::emulate
{

// The rule of EFLAGS.IOPL with the virtual IOPL: legacy, the guest kernel counts as ring 1 and guest user as ring 3;
// with VMASST architectural_iopl the kernel counts as ring 0. Decides CLI and STI, too.
[[nodiscard]] bool io_privilege(EmulationContext const& context);

// io_privilege(), or else the bitmap of PHYSDEVOP_set_iobitmap permits all `bytes` ports from `port`.
[[nodiscard]] bool port_access_allowed(EmulationContext& context, std::uint16_t port, unsigned bytes);

// The access itself, after port_access_allowed(). Ports that the domain was not given read as ones and swallow writes.
[[nodiscard]] std::uint32_t guest_port_in(EmulationContext& context, std::uint16_t port, unsigned bytes);
void guest_port_out(EmulationContext& context, std::uint16_t port, unsigned bytes, std::uint32_t value);

// The DR6 bits of the guest's I/O breakpoints that an access to `bytes` ports from `port` hits.
[[nodiscard]] std::uint64_t io_breakpoints(PvState const& state, std::uint16_t port, unsigned bytes);

} // namespace hv::emulate
