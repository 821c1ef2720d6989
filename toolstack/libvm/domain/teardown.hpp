// SPDX-License-Identifier: MIT
// The single steps of taking a guest away, shared by destroying and by rolling back a creation.
#pragma once

#include "domain/lifecycle.hpp"

#include <vector>

namespace vm
{

/// Takes a guest's nodes out of the store and waits until the back ends have let go of it.
/// With `keep_domain` only the devices go, not what describes the domain. Throws Error(Timeout) if some do not.
void remove_nodes(Host& host, DomainId domain, Uuid const& uuid, bool keep_domain = false);

/// Takes the guest's loop devices down and waits until they are free. Throws Error(Timeout) if some are not.
void release_disks(std::vector<AttachedDisk> const& disks);

/// Destroys the domain and waits until it is gone. A destroyed domain lives on while others map its pages.
void destroy_domain(Host& host, DomainId domain, Uuid const& uuid);

} // namespace vm
