// SPDX-License-Identifier: MIT
// One function per group of sub-operations, defined in groups.cpp from the table. `extra` is what few operations have
// besides their argument: the length of an array, the number of a vCPU, how far an earlier run came.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::groups
{

#define HV_GROUP(group) \
    CallResult group(std::uint64_t number, std::uint64_t argument, std::uint64_t extra, Caller& caller);
#include <hypercalls/table/groups.def>
#undef HV_GROUP

} // namespace hv::groups
