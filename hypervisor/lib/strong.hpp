// SPDX-License-Identifier: MIT
// Strong integers: positions subtract to a count, add only counts, and never convert silently.
#pragma once

#include <compare>
#include <cstdint>

namespace hv
{

template<typename Tag, typename Rep>
class Strong
{
public:
    using rep = Rep;

    constexpr Strong() = default;
    constexpr explicit Strong(Rep value) : value_(value) {}
    [[nodiscard]] constexpr Rep raw() const { return value_; }

    constexpr auto operator<=>(Strong const&) const = default;

    constexpr Strong operator+(Rep count) const { return Strong(static_cast<Rep>(value_ + count)); }
    constexpr Strong operator-(Rep count) const { return Strong(static_cast<Rep>(value_ - count)); }
    constexpr Rep operator-(Strong other) const { return static_cast<Rep>(value_ - other.value_); }
    constexpr Strong& operator++()
    {
        ++value_;
        return *this;
    }

private:
    Rep value_{};
};

using Mfn = Strong<struct MfnTag, std::uint64_t>;               // machine frame number
using GuestFrame = Strong<struct GuestFrameTag, std::uint64_t>; // what a guest calls a machine frame
using Pfn = Strong<struct PfnTag, std::uint64_t>;               // guest pseudo-physical frame
using MachineAddress = Strong<struct MachineAddressTag, std::uint64_t>;
using GuestVirtual = Strong<struct GuestVirtualTag, std::uint64_t>;
using DomainId = Strong<struct DomainIdTag, std::uint16_t>;
using VcpuId = Strong<struct VcpuIdTag, std::uint32_t>;
using CpuId = Strong<struct CpuIdTag, std::uint32_t>; // physical CPU, dense from 0
using EvtchnPort = Strong<struct EvtchnPortTag, std::uint32_t>;
using GrantRef = Strong<struct GrantRefTag, std::uint32_t>;
using Irq = Strong<struct IrqTag, std::uint32_t>;                 // GSI or MSI line of the machine
using Nanoseconds = Strong<struct NanosecondsTag, std::uint64_t>; // system time since hypervisor boot

inline constexpr std::uint64_t kPageShift = 12;
inline constexpr std::uint64_t kPageSize = 1ull << kPageShift;
inline constexpr std::uint64_t kPageMask = ~(kPageSize - 1);
inline constexpr Mfn kInvalidMfn{~0ull};

constexpr MachineAddress to_address(Mfn mfn)
{
    return MachineAddress{mfn.raw() << kPageShift};
}

constexpr Mfn to_mfn(MachineAddress address)
{
    return Mfn{address.raw() >> kPageShift};
}

// True when bits 63..47 are all equal (Intel SDM vol. 1, 3.3.7.1, 4-level paging).
constexpr bool is_canonical(std::uint64_t address)
{
    return static_cast<std::uint64_t>(static_cast<std::int64_t>(address << 16) >> 16) == address;
}

// The address range that belongs to the hypervisor in every address space (surface.md 1.6).
inline constexpr std::uint64_t kHypervisorStart = 0xffff800000000000;
inline constexpr std::uint64_t kHypervisorEnd = 0xffff880000000000; // exclusive

// A guest may name this address for its own use: canonical and outside the hypervisor's hole.
constexpr bool is_guest_address(std::uint64_t address)
{
    return is_canonical(address) && !(address >= kHypervisorStart && address < kHypervisorEnd);
}

inline constexpr DomainId kDomainSelf{0x7ff0};
inline constexpr DomainId kDomainIo{0x7ff1};
inline constexpr DomainId kDomainXen{0x7ff2};
inline constexpr DomainId kDomainInvalid{0x7ff4};
inline constexpr DomainId kDomainIdle{0x7fff};
inline constexpr std::uint16_t kFirstReservedDomain = 0x7ff0;

} // namespace hv
