// SPDX-License-Identifier: MIT
// How often a guest has entered the hypervisor, by cause: a statistic that only Tessera keeps.
#pragma once

#include "hypervisor/hypervisor.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace vm
{

struct Counter
{
    std::string cause;
    std::uint64_t count = 0;
};

/// Throws Error(Unreachable) on a hypervisor that does not offer this.
std::vector<Counter> read_counters(Hypervisor const& hypervisor, DomainId domain);

} // namespace vm
