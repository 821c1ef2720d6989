// SPDX-License-Identifier: MIT
// Watchdogs of a domain (SCHEDOP_watchdog): it promises to report before a timer runs out, or is shut down.
#pragma once

#include <core/time/timer.hpp>
#include <lib/result.hpp>
#include <lib/spinlock.hpp>

#include <array>
#include <cstdint>

namespace hv
{

class Domain;

struct Watchdogs
{
    SpinLock lock{LockRank::Watchdogs};
    std::array<bool, 2> used{};
    std::array<Timer, 2> timer;
};

// `id` 0 takes a free watchdog and returns its id, 1 or 2 (NoSpc: none); an id with `seconds` 0 gives it up, with another
// value starts it anew. Inval for an id that is not in use. Returns 0 but for a new one.
Result<std::int64_t> watchdog_control(Domain& domain, std::uint32_t id, std::uint32_t seconds);
void watchdogs_stop(Domain& domain); // synchronously; for teardown

} // namespace hv
