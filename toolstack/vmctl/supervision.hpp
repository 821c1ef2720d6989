// SPDX-License-Identifier: MIT
// What other verbs say about the supervisor.
#pragma once

#include "domain/registry.hpp"

namespace vmctl
{

/// Tells the user that nobody will notice when a guest ends, if that is so.
void warn_if_unsupervised(vm::Registry const& registry);

} // namespace vmctl
