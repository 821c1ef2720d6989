// SPDX-License-Identifier: MIT
// A guest as data for output, the same in every verb.
#pragma once

#include "domain/find.hpp"
#include "output.hpp"

namespace vmctl
{

/// What `vmctl list` shows: identity, size, state, processor time.
Json guest_summary(vm::FoundGuest const& guest);

/// What `vmctl show` adds: configuration, devices with the states of both ends, the console.
Json guest_details(vm::Host& host, vm::FoundGuest const& guest);

} // namespace vmctl
