// SPDX-License-Identifier: MIT
// The guest's debug registers: what it may set (surface 1.12, XSA-444) and what it reads back.
#pragma once

#include <core/domain/vcpu.hpp>
#include <lib/result.hpp>

#include <cstdint>

namespace hv::port
{
// The running vCPU's debug_address, dr6 or dr7 changed: hardware must follow before the guest runs on. Supplied by the
// architecture and by the hosted test port.
void debug_registers_changed(Vcpu& vcpu);
} // namespace hv::port

namespace hv::policy
{

inline constexpr std::uint64_t kDr6Reset = 0xffff0ff0;
inline constexpr std::uint64_t kDr6SingleStep = 1u << 14;
inline constexpr std::uint64_t kDr7Reset = 0x400;
inline constexpr std::uint64_t kDr7GeneralDetect = 1u << 13;
inline constexpr std::uint64_t kDr7Enables = 0xff;

// Sets register `number` of `vcpu`. Registers 4 and 5 are other names of 6 and 7 unless CR4.DE is set.
// Perm: an address that is not canonical or lies in the hypervisor's range, DR7.GD, an I/O breakpoint without CR4.DE.
// Inval: upper half of DR6 or DR7 not zero. NoDev: no such register. On an error nothing has changed.
[[nodiscard]] Result<void> set_debug_register(Vcpu& vcpu, std::uint64_t number, std::uint64_t value);

// NoDev: no such register.
[[nodiscard]] Result<std::uint64_t> get_debug_register(Vcpu const& vcpu, std::uint64_t number);

// What hardware DR7 gets while the vCPU runs: breakpoints on I/O are left out, because every I/O instruction of a guest
// is emulated and checked there. kDr7Reset when no breakpoint is left: then DR0..DR3 need not be loaded either.
[[nodiscard]] std::uint64_t hardware_dr7(PvState const& state);

} // namespace hv::policy
