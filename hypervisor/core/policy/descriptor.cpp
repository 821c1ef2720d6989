// SPDX-License-Identifier: MIT
// The audit of descriptors. Bit positions: Intel SDM vol. 3, 3.4.5 (segments) and 5.8.3 (call gates).
#include <core/policy/descriptor.hpp>

namespace hv::policy
{
namespace
{

constexpr std::uint64_t kPresent = 1ull << 47;
constexpr unsigned kDplShift = 45;
constexpr std::uint64_t kDplMask = 3ull << kDplShift;
constexpr std::uint64_t kNotSystem = 1ull << 44;
constexpr unsigned kTypeShift = 40;
constexpr std::uint64_t kTypeCode = 1ull << 43;
constexpr std::uint64_t kLong = 1ull << 53;
constexpr std::uint64_t kDefaultBig = 1ull << 54;
constexpr unsigned kGateSelectorShift = 16;

constexpr unsigned kTypeUpperHalf = 0;
constexpr unsigned kTypeCallGate = 0xc;

bool audit_call_gate(std::uint64_t& descriptor)
{
    std::uint16_t selector = static_cast<std::uint16_t>(descriptor >> kGateSelectorShift);
    if (!is_guest_code_selector(selector))
        return false;
    // A gate of DPL 0 cannot be called from ring 3 in hardware: the call faults and can be carried out in software,
    // which finds the guest's own DPL in the selector.
    selector = static_cast<std::uint16_t>((selector & ~3u) | ((descriptor & kDplMask) >> kDplShift));
    descriptor &= ~(kDplMask | (0xffffull << kGateSelectorShift));
    descriptor |= std::uint64_t{selector} << kGateSelectorShift;
    return true;
}

} // namespace

bool is_guest_code_selector(std::uint16_t selector)
{
    if ((selector & ~3) == 0)
        return false;
    if (!is_reserved_selector(selector))
        return true;
    std::uint16_t const flat = selector | 3;
    return flat == 0xe023 || flat == 0xe033;
}

bool audit_descriptor(std::uint64_t& descriptor)
{
    if ((descriptor & kPresent) == 0)
        return true;
    if ((descriptor & kNotSystem) == 0)
    {
        unsigned const type = (descriptor >> kTypeShift) & 0xf;
        return type == kTypeUpperHalf || (type == kTypeCallGate && audit_call_gate(descriptor));
    }
    if ((descriptor & kTypeCode) != 0)
    {
        // L together with D is reserved: loading it faults, so it is refused where it can be reported.
        if ((descriptor & kLong) != 0 && (descriptor & kDefaultBig) != 0)
            return false;
    }
    descriptor |= kDplMask; // at DPL 3 conforming code is harmless, too
    return true;
}

} // namespace hv::policy
