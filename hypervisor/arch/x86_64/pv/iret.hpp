// SPDX-License-Identifier: MIT
// The frame that the iret hypercall takes from the guest kernel's stack (surface.md 1.9), and what of it counts. Both
// ways of carrying it out read it: entry/iret.S and iret.cpp.
#pragma once

#include <cstdint>

namespace hv
{

struct GuestIretFrame
{
    std::uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;
};

inline constexpr std::uint64_t kIretFromSystemCall = 1u << 8; // VGCF_in_syscall in `flags`: SYSRET serves

// What of the frame's rflags the guest gets, and what it gets anyway.
inline constexpr std::uint64_t kIretFlagsKept =
    0xffffffff & ~std::uint64_t{3u << 12 | 1u << 14 | 1u << 17 | 1u << 19 | 1u << 20}; // IOPL NT VM VIF VIP
inline constexpr std::uint64_t kIretFlagsSet = 1u << 9 | 1u << 1;                      // IF is ours

} // namespace hv
