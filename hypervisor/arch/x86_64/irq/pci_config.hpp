// SPDX-License-Identifier: MIT
// PCI configuration space by the 0xcf8 mechanism (PCI Local Bus 3.0, 3.2.2.3.2), one access at a time machine-wide.
#pragma once

#include <cstdint>

namespace hv
{

// `address`: value for port 0xcf8 with the enable bit; `offset` 0..3 within the register; `bytes` 1, 2 or 4.
std::uint32_t pci_config_read(std::uint32_t address, unsigned offset, unsigned bytes);
void pci_config_write(std::uint32_t address, unsigned offset, unsigned bytes, std::uint32_t value);

constexpr std::uint32_t pci_address(std::uint8_t bus, std::uint8_t devfn, std::uint8_t reg)
{
    return 0x80000000u | (std::uint32_t{bus} << 16) | (std::uint32_t{devfn} << 8) | (reg & 0xfcu);
}

} // namespace hv
