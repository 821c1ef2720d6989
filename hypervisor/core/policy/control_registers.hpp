// SPDX-License-Identifier: MIT
// What a paravirtual guest sees in CR0 and CR4, and which bits are its own (surface 1.11).
#pragma once

#include <cstdint>

namespace hv::policy
{

inline constexpr std::uint64_t kCr0TaskSwitched = 1u << 3;

inline constexpr std::uint64_t kCr4TimeStampDisable = 1u << 2;
inline constexpr std::uint64_t kCr4DebuggingExtensions = 1u << 3;
inline constexpr std::uint64_t kCr4PhysicalAddressExtension = 1u << 5;
inline constexpr std::uint64_t kCr4MachineCheck = 1u << 6;
inline constexpr std::uint64_t kCr4Fxsr = 1u << 9;
inline constexpr std::uint64_t kCr4SimdExceptions = 1u << 10;
inline constexpr std::uint64_t kCr4FsGsBase = 1u << 16;
inline constexpr std::uint64_t kCr4OsXsave = 1u << 18;

// Bits that a guest controls, where its CPUID policy has the feature; kept in PvState::cr4.
inline constexpr std::uint64_t kCr4Guest = kCr4TimeStampDisable | kCr4DebuggingExtensions | kCr4FsGsBase | kCr4OsXsave;
// Bits of the real register that it may see.
inline constexpr std::uint64_t kCr4Visible =
    kCr4PhysicalAddressExtension | kCr4MachineCheck | kCr4Fxsr | kCr4SimdExceptions;

struct GuestCr4Features
{
    bool debugging_extensions = true;
    bool fsgsbase = false;
    bool xsave = false;
};

// The part of a value written to CR4 that takes effect. Never an error: the rest is dropped silently.
constexpr std::uint64_t effective_cr4(std::uint64_t written, GuestCr4Features features)
{
    std::uint64_t mask = kCr4TimeStampDisable;
    mask |= features.debugging_extensions ? kCr4DebuggingExtensions : 0;
    mask |= features.fsgsbase ? kCr4FsGsBase : 0;
    mask |= features.xsave ? kCr4OsXsave : 0;
    return written & mask;
}

constexpr std::uint64_t visible_cr4(std::uint64_t guest, std::uint64_t real)
{
    return (guest & kCr4Guest) | (real & kCr4Visible);
}

// Bits of hardware CR4 that follow the running guest; OSXSAVE stays on for our own use.
inline constexpr std::uint64_t kCr4FollowsGuest = kCr4TimeStampDisable | kCr4DebuggingExtensions | kCr4FsGsBase;

constexpr std::uint64_t hardware_cr4(std::uint64_t real, std::uint64_t guest)
{
    return (real & ~kCr4FollowsGuest) | (guest & kCr4FollowsGuest);
}

constexpr std::uint64_t visible_cr0(std::uint64_t real, bool task_switched)
{
    return (real & ~kCr0TaskSwitched) | (task_switched ? kCr0TaskSwitched : 0);
}

} // namespace hv::policy
