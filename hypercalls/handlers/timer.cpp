// SPDX-License-Identifier: MIT
// set_timer_op: an absolute system time, 0 stops the timer.
#include <core/time/clock.hpp>
#include <hypercalls/handlers/timer.hpp>

namespace hv::handlers
{

CallResult set_timer_op(Caller& caller, std::uint64_t deadline)
{
    if (deadline == 0)
        vcpu_stop_singleshot(caller.vcpu());
    else
        vcpu_set_singleshot(caller.vcpu(), deadline);
    return 0;
}

} // namespace hv::handlers
