// SPDX-License-Identifier: MIT
// Checks of debug register values. Bit layout: Intel SDM vol. 3, 18.2.
#include <core/policy/debug_registers.hpp>

#include <core/policy/control_registers.hpp>

namespace hv::policy
{
namespace
{

constexpr unsigned kOnIo = 2;

// Bits 12 (reserved), 14 and 15 read as 0; bit 10 reads as 1. GD has been refused by then.
constexpr std::uint64_t kDr7AlwaysZero = 0xd000;
constexpr std::uint64_t kDr6AlwaysZero = 1u << 12;

constexpr unsigned kind(std::uint64_t dr7, unsigned index)
{
    return (dr7 >> (16 + 4 * index)) & 3;
}

// DR4 and DR5 exist only as aliases.
std::uint64_t resolve_alias(Vcpu const& vcpu, std::uint64_t number)
{
    bool const alias = (number == 4 || number == 5) && (vcpu.pv.cr4 & kCr4DebuggingExtensions) == 0;
    return alias ? number + 2 : number;
}

Result<void> set_dr7(Vcpu& vcpu, std::uint64_t value)
{
    HV_REQUIRE(value >> 32 == 0, Errno::Inval);
    HV_REQUIRE((value & kDr7GeneralDetect) == 0, Errno::Perm);
    bool const extensions = (vcpu.pv.cr4 & kCr4DebuggingExtensions) != 0;
    for (unsigned i = 0; i < 4; ++i)
    {
        if ((value >> (2 * i) & 3) != 0)
            HV_REQUIRE(kind(value, i) != kOnIo || extensions, Errno::Perm);
    }
    vcpu.pv.dr7 = (value & ~kDr7AlwaysZero) | kDr7Reset;
    return {};
}

} // namespace

Result<void> set_debug_register(Vcpu& vcpu, std::uint64_t number, std::uint64_t value)
{
    switch (resolve_alias(vcpu, number))
    {
    case 0:
    case 1:
    case 2:
    case 3:
        HV_REQUIRE(is_guest_address(value), Errno::Perm);
        vcpu.pv.debug_address[number] = value;
        break;
    case 6:
        HV_REQUIRE(value >> 32 == 0, Errno::Inval);
        vcpu.pv.dr6 = (value & ~kDr6AlwaysZero) | kDr6Reset;
        break;
    case 7: HV_TRY_VOID(set_dr7(vcpu, value)); break;
    default: return Errno::NoDev;
    }
    port::debug_registers_changed(vcpu);
    return {};
}

std::uint64_t hardware_dr7(PvState const& state)
{
    std::uint64_t value = state.dr7;
    if ((value & kDr7Enables) == 0) [[likely]]
        return kDr7Reset;
    for (unsigned i = 0; i < 4; ++i)
    {
        if (kind(value, i) == kOnIo)
            value &= ~(3ull << (2 * i) | 0xfull << (16 + 4 * i));
    }
    return (value & kDr7Enables) != 0 ? value : kDr7Reset;
}

Result<std::uint64_t> get_debug_register(Vcpu const& vcpu, std::uint64_t number)
{
    switch (resolve_alias(vcpu, number))
    {
    case 0:
    case 1:
    case 2:
    case 3: return vcpu.pv.debug_address[number];
    case 6: return vcpu.pv.dr6;
    case 7: return vcpu.pv.dr7;
    default: return Errno::NoDev;
    }
}

} // namespace hv::policy
