// SPDX-License-Identifier: MIT
// Physical interrupts that a domain has mapped (PHYSDEVOP_map_pirq) and bound to event channels.
//
// Life: mapped by the control domain (for itself or for a guest) -> bound to a port -> port closed -> unmapped. Unmapping
// a bound one silences it; its port stays allocated, without a source, until it is closed. A dying domain's ports are
// closed first, then pirqs_relinquish() unmaps the rest. Lines of controllers live for good once they are made; a
// message's line ends with its only mapping.
//
// Locks: the mapping lock (one for the machine, held by mapping, unmapping and set-up, outermost of all but never taken
// inside an event lock) orders changes of tables; a table's own lock guards its slots against the domain's own calls.
#pragma once

#include <core/domain/domain.hpp>
#include <core/irq/msi.hpp>

namespace hv
{

inline constexpr std::uint32_t kMaxPirqs = 1024;  // per domain
inline constexpr std::uint32_t kMaxMessages = 32; // of one function by MSI

// Boot, with the machine's lines ready: binds event channels to this module.
void pirqs_start();

// ---- the control domain's calls. Srch: the domain is ending.
// `wanted` < 0: any number, for the control domain the GSI's own. Exist: `wanted` is something else's. Inval, NoSpc, NoMem.
Result<std::uint32_t> map_gsi_pirq(Domain& domain, Irq gsi, std::int32_t wanted);
// `wanted` < 0: any; request.count consecutive numbers, the first is returned. Errors also of msi_locate(); Busy: the
// message is mapped already.
Result<std::uint32_t> map_msi_pirq(Domain& domain, MsiRequest request, std::int32_t wanted);
// A group of messages goes with its first one. Inval: not mapped, or not a group's first.
Result<void> unmap_pirq(Domain& domain, std::uint32_t number);
Result<std::uint32_t> reserve_pirq(Domain& domain);
Result<void> setup_gsi(Irq gsi, LineMode mode); // Inval; Busy when it is bound in another mode
// Rewrites every message of the function, after a reset of the device.
Result<void> restore_messages(PciFunction function);
[[nodiscard]] bool has_messages(PciFunction function);

// ---- the domain's own calls
Result<void> end_of_interrupt(Domain& domain, std::uint32_t number);          // Inval: not mapped
Result<std::uint32_t> interrupt_status(Domain& domain, std::uint32_t number); // XENIRQSTAT_*; Inval
// A page whose bit n tells whether pirq n wants ends of interrupt. Busy the second time; Perm without any pirq.
Result<void> register_eoi_page(Domain& domain, GuestFrame frame, bool unmask_on_end);

// Unmaps everything a dying domain has mapped. Its ports are closed, its vCPUs off.
void pirqs_relinquish(Domain& domain);

} // namespace hv
