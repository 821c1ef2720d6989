// SPDX-License-Identifier: MIT
// A domain's share of the machine: the weight of its vCPUs as a fixed-point factor, and the account that enforces a cap.
#pragma once

#include <core/sched/unit.hpp>
#include <core/time/timer.hpp>
#include <lib/list.hpp>
#include <lib/spinlock.hpp>

#include <cstdint>

namespace hv
{

inline constexpr std::uint32_t kDefaultWeight = 256;
inline constexpr std::uint32_t kMaxWeight = 65535;
inline constexpr Nanoseconds kCapPeriod{20'000'000};

struct DomainShare
{
    std::uint64_t slowness = 1ull << 32; // 2^32 * kDefaultWeight / weight: virtual time per real time

    // The cap: `budget` nanoseconds of CPU are left in this period. Refilled by the timer; units that find it used up
    // wait on `parked`. The lock nests inside run queue locks.
    SpinLock lock{LockRank::DomainShare};
    std::int64_t budget = 0;
    std::int64_t budget_per_period = 0; // 0 = no cap
    List<SchedUnit, &SchedUnit::park_link> parked;
    Timer refill;
};

} // namespace hv
