// SPDX-License-Identifier: MIT
// Watchdogs of a domain.
#include <core/domain/domain.hpp>
#include <core/time/watchdog.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

inline constexpr std::uint64_t kSecond = 1'000'000'000;

void expired(void* context)
{
    shutdown_domain(*static_cast<Domain*>(context), SHUTDOWN_watchdog);
}

} // namespace

Result<std::int64_t> watchdog_control(Domain& domain, std::uint32_t id, std::uint32_t seconds)
{
    Watchdogs& dogs = domain.watchdogs;
    Guard guard(dogs.lock);
    std::uint32_t index = id - 1;
    if (id == 0)
    {
        HV_REQUIRE(seconds != 0, Errno::Inval);
        index = 0;
        while (index < dogs.used.size() && dogs.used[index])
            ++index;
        HV_REQUIRE(index < dogs.used.size(), Errno::NoSpc);
    }
    HV_REQUIRE(index < dogs.used.size() && (id == 0 || dogs.used[index]), Errno::Inval);
    dogs.used[index] = seconds != 0;
    Timer& timer = dogs.timer[index];
    if (seconds == 0)
    {
        timer_cancel(timer);
        return std::int64_t{0};
    }
    timer.callback = &expired;
    timer.context = &domain;
    timer_set(timer, port::now() + seconds * kSecond);
    return std::int64_t{id == 0 ? index + 1 : 0};
}

void watchdogs_stop(Domain& domain)
{
    for (Timer& timer : domain.watchdogs.timer)
        timer_cancel_sync(timer);
}

} // namespace hv
