// SPDX-License-Identifier: MIT
// The recount oracle: works out from roots, pins and mappings what every frame's record must say, and compares.
//
// It trusts only what holds references from outside the tables: vCPU roots and descriptor slots, pins, partial tables,
// grant handles, registered vcpu_info frames. From there it walks the tables' contents itself. Frames that event channels
// or pirqs hold (FIFO blocks, EOI pages) are not known to it. Call it between hypercalls, with no lock held.
#pragma once

#include <string>
#include <vector>

namespace hv::host
{

// One sentence per rule that does not hold; empty when all is well. At most 20 of them.
std::vector<std::string> broken_invariants();

} // namespace hv::host

// The test fails with all broken rules. Needs GoogleTest.
#define EXPECT_INVARIANTS() EXPECT_EQ(::hv::host::broken_invariants(), std::vector<std::string>{})
