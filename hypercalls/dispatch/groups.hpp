// SPDX-License-Identifier: MIT
// One function per group of sub-operations, defined in groups.cpp from the table.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::groups
{

#define HV_GROUP(group) CallResult group(Caller& caller, std::uint64_t number, std::uint64_t argument);
#include <hypercalls/table/groups.def>
#undef HV_GROUP

} // namespace hv::groups
