// SPDX-License-Identifier: MIT
// The single steps of taking a guest away, shared by destroying and by rolling back a creation.
#pragma once

#include "domain/lifecycle.hpp"

#include <chrono>
#include <vector>

namespace vm
{

/// Takes a guest's nodes out of the store and waits until the back ends have let go of it.
/// With `keep_domain` only the devices go, not what describes the domain. Throws Error(Timeout) if some do not.
void remove_nodes(Host& host, DomainId domain, Uuid const& uuid, bool keep_domain = false);

/// Takes the guest's loop devices down and waits until they are free. Throws Error(Timeout) if some are not.
void release_disks(std::vector<AttachedDisk> const& disks);

/// Destroys the domain and waits until it is gone. A destroyed domain lives on while others map its pages.
/// Throws Error(Timeout) if they still do after `patience`.
void destroy_domain(Host& host, DomainId domain, Uuid const& uuid, std::chrono::seconds patience = kDomainLimit);

/// Takes a guest away wholly: the steps above in their order, each even if one before failed, and last the record, which
/// stays if one did. There is no record for guests of other toolstacks. Throws Error(Partial) with all failures.
void end_guest(Host& host, DomainId domain, Uuid const& uuid, GuestRecord const* record,
               std::chrono::seconds patience = kDomainLimit);

} // namespace vm
