// SPDX-License-Identifier: MIT
// Names of the counters, in the order of the enumeration.
#include <core/trace/counters.hpp>

namespace hv
{

char const* const kCounterNames[kCounters] = {
#define HV_HYPERCALL(number, name, function, doc) "hypercall." #name,
#include <hypercalls/table/hypercalls.def>
#undef HV_HYPERCALL
#define HV_SUBOP(group, number, name, function, direction, privilege, preempt, errors, doc) #group "." #name,
#include <hypercalls/table/all.def>
#undef HV_SUBOP
#define HV_EVENT(name, doc) #name,
#include <core/trace/events.def>
#undef HV_EVENT
};

} // namespace hv
