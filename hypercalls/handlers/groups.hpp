// SPDX-License-Identifier: MIT
// The top-level calls that only look their operation up in a group: an operation, its structure.
#pragma once

#include <hypercalls/dispatch/groups.hpp>

namespace hv::handlers
{

#define HV_GROUP(group) \
    inline CallResult group##_group(Caller& caller, std::uint64_t operation, std::uint64_t argument, \
                                    std::uint64_t extra) \
    { \
        return groups::group(static_cast<std::uint32_t>(operation), argument, extra, caller); \
    }
#include <hypercalls/table/groups.def>
#undef HV_GROUP

} // namespace hv::handlers
