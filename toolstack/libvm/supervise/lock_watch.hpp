// SPDX-License-Identifier: MIT
// Tells a supervisor whose guests others have worked on.
#pragma once

#include "base/unique_fd.hpp"
#include "domain/registry.hpp"

#include <vector>

namespace vm
{

/// A file that is readable when a lock was let go, also because its holder died. (Our own look at a lock, read-only,
/// is no event.)
UniqueFd watch_locks(Registry const& registry);

/// Reads all that has come; the domains whose locks were let go. `all` is set if there may be others.
std::vector<DomainId> read_lock_events(UniqueFd const& fd, bool& all);

} // namespace vm
