// SPDX-License-Identifier: MIT
// The top-level calls that only look their operation up in a group: args[0] operation, args[1] its structure.
#pragma once

#include <hypercalls/dispatch/groups.hpp>

namespace hv::handlers
{

#define HV_GROUP(group) \
    inline CallResult group##_group(Caller& caller) \
    { \
        return groups::group(caller, static_cast<std::uint32_t>(caller.args.value[0]), caller.args.value[1]); \
    }
#include <hypercalls/table/groups.def>
#undef HV_GROUP

} // namespace hv::handlers
