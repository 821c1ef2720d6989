// SPDX-License-Identifier: MIT
// PCI functions that the control domain has announced: which of their registers guests must not write.
#pragma once

#include <core/irq/device_machine.hpp>
#include <lib/result.hpp>

namespace hv
{

// From its announcement to its removal, the frames of a function's MSI-X table and pending bits are read-only for every
// domain; only the hypervisor writes messages. Mappings made before keep what they had, so functions are announced
// before their driver starts. Announcing again follows registers that have moved.

// NoDev: no such function. NoMem, NoSpc: no room to note or protect it.
Result<void> announce_pci_function(PciFunction function);
// NoDev: not announced. Busy: messages of it are still mapped.
Result<void> remove_pci_function(PciFunction function);

} // namespace hv
