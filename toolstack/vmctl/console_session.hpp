// SPDX-License-Identifier: MIT
// A user's session on a guest's console.
#pragma once

#include "base/error.hpp"
#include "domain/lifecycle.hpp"

namespace vmctl
{

/// Connects stdin and stdout with the guest's console until the user types Ctrl-], stdin ends, or the guest does.
vm::ExitCode attach_console(vm::Host& host, vm::DomainId domain, vm::Uuid const& uuid);

} // namespace vmctl
