// SPDX-License-Identifier: MIT
// Single CMOS registers.
#include <arch/x86_64/time/cmos.hpp>

#include <arch/x86_64/cpu/instructions.hpp>
#include <lib/spinlock.hpp>

namespace hv
{
namespace
{

constexpr std::uint16_t kIndexPort = 0x70;
constexpr std::uint16_t kDataPort = 0x71;

SpinLock ports_lock{LockRank::CmosPorts};

} // namespace

std::uint8_t cmos_read(std::uint8_t index)
{
    Guard guard(ports_lock);
    out8(kIndexPort, index);
    return in8(kDataPort);
}

void cmos_write(std::uint8_t index, std::uint8_t value)
{
    Guard guard(ports_lock);
    out8(kIndexPort, index);
    out8(kDataPort, value);
}

} // namespace hv
