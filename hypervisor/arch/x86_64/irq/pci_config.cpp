// SPDX-License-Identifier: MIT
// PCI configuration space.
#include <arch/x86_64/irq/pci_config.hpp>

#include <arch/x86_64/cpu/instructions.hpp>
#include <lib/spinlock.hpp>

namespace hv
{
namespace
{

constexpr std::uint16_t kAddressPort = 0xcf8;
constexpr std::uint16_t kDataPort = 0xcfc;

SpinLock ports_lock{LockRank::PciPorts}; // the pair of ports

} // namespace

std::uint32_t pci_config_read(std::uint32_t address, unsigned offset, unsigned bytes)
{
    auto const port = static_cast<std::uint16_t>(kDataPort + (offset & 3));
    Guard guard(ports_lock);
    out32(kAddressPort, address);
    return bytes == 1 ? in8(port) : bytes == 2 ? in16(port) : in32(port);
}

void pci_config_write(std::uint32_t address, unsigned offset, unsigned bytes, std::uint32_t value)
{
    auto const port = static_cast<std::uint16_t>(kDataPort + (offset & 3));
    Guard guard(ports_lock);
    out32(kAddressPort, address);
    if (bytes == 1)
        out8(port, static_cast<std::uint8_t>(value));
    else if (bytes == 2)
        out16(port, static_cast<std::uint16_t>(value));
    else
        out32(port, value);
}

} // namespace hv
