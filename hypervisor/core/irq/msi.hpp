// SPDX-License-Identifier: MIT
// Message-signalled interrupts: finding a function's registers for them, programming, masking and restoring them
// (PCI Local Bus 3.0, 6.8). The control domain's kernel only turns them on and off in configuration space.
#pragma once

#include <core/irq/line.hpp>

namespace hv
{

// What a mapping asks for. MSI when `table_base` is 0, else the MSI-X entry `entry`.
struct MsiRequest
{
    PciFunction function;
    std::uint32_t count = 1; // consecutive messages, MSI only
    std::uint32_t entry = 0;
    std::uint64_t table_base = 0; // base address of the BAR that holds the table
};

// The MSI-X table of a function, in frames; empty when it has none.
struct MsixTable
{
    MachineAddress table{};
    std::uint32_t entries = 0;
    MachineAddress pending{}; // the pending-bit array
};

// NoDev: the function does not exist or has no such capability. NxIo: it does not decode its memory now. Inval: no such
// entry, or the base is not that of the table's BAR. NoSpc: more messages than it has, or no room for its registers.
Result<MsiSource> msi_locate(MsiRequest const& request);

// Writes a message into the function's registers, masked where it can be. `count`: messages enabled for MSI.
void msi_program(MsiSource const& source, std::uint32_t count);
void msi_set_mask(MsiSource const& source, bool masked);

// NoDev: no function there. A function without MSI-X, or with unassigned registers, gives 0 entries.
Result<MsixTable> msix_table(PciFunction function);

} // namespace hv
