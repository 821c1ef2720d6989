// SPDX-License-Identifier: MIT
// The order of locks: what is in order goes through, what is not stops the machine with both names.
#include "machine_test.hpp"

#include <core/time/timer.hpp>
#include <lib/spinlock.hpp>

namespace hv
{
namespace
{

using LockRankTest = host::MachineTest;

static_assert(kCheckLocks);
static_assert(sizeof(SpinLock) == 8); // as in release builds

TEST_F(LockRankTest, InnerLocksAreTakenUnderOuterOnes)
{
    SpinLock outer(LockRank::MmuTables);
    SpinLock inner(LockRank::DomainPages);
    for (int round = 0; round < 3; ++round)
    {
        Guard first(outer);
        Guard second(inner);
        EXPECT_TRUE(outer.is_locked() && inner.is_locked());
    }
    Guard again(inner); // nothing is left over in the record
    EXPECT_FALSE(outer.is_locked());
}

TEST_F(LockRankTest, AnOuterLockUnderAnInnerOneIsABug)
{
    SpinLock outer(LockRank::MmuTables);
    SpinLock inner(LockRank::DomainPages);
    Guard guard(inner);
    EXPECT_DEATH(outer.lock(), "lock order: waits for MmuTables while holding DomainPages");
}

// The check looks at all locks that are held, not only at the latest.
TEST_F(LockRankTest, LocksGivenBackOutOfOrderAreStillKnown)
{
    SpinLock outer(LockRank::EventPorts);
    SpinLock middle(LockRank::MmuTables);
    SpinLock inner(LockRank::Console);
    middle.lock();
    inner.lock();
    middle.unlock();
    EXPECT_DEATH(outer.lock(), "waits for EventPorts while holding Console");
    inner.unlock();
    Guard guard(outer);
}

TEST_F(LockRankTest, ALockOnceMoreIsReportedInsteadOfWaitedForForEver)
{
    SpinLock lock(LockRank::DomainPages);
    Guard guard(lock);
    EXPECT_DEATH(lock.lock(), "waits for DomainPages while holding DomainPages");
}

TEST_F(LockRankTest, SiblingsNeedAnOrderOfTheirOwn)
{
    SpinLock alone[2]{SpinLock(LockRank::MmuTables), SpinLock(LockRank::MmuTables)};
    {
        Guard guard(alone[0]);
        EXPECT_DEATH(alone[1].lock(), "waits for MmuTables while holding MmuTables");
    }
    SpinLock siblings[2]{SpinLock(LockRank::EventPorts), SpinLock(LockRank::EventPorts)};
    {
        PairGuard either(siblings[1], siblings[0]);
        EXPECT_TRUE(siblings[0].is_locked() && siblings[1].is_locked());
    }
    {
        PairGuard same(siblings[0], siblings[0]);
    }
    Guard high(siblings[1]);
    EXPECT_DEATH(siblings[0].lock(), "waits for EventPorts while holding EventPorts");
}

// Trying does not wait, so no deadlock can come of it: the scheduler's way to look at another CPU's queue.
TEST_F(LockRankTest, TryingIsAllowedInAnyOrder)
{
    SpinLock outer(LockRank::MmuTables);
    SpinLock inner(LockRank::DomainPages);
    SpinLock between(LockRank::Lifecycle);
    Guard guard(inner);
    ASSERT_TRUE(outer.try_lock());
    EXPECT_FALSE(outer.try_lock());
    EXPECT_DEATH(between.lock(), "waits for Lifecycle while holding DomainPages");
    outer.unlock();
}

TEST_F(LockRankTest, WhatIsOnlyTriedIsNeverWaitedFor)
{
    SpinLock turn(LockRank::Domctl);
    EXPECT_DEATH(turn.lock(), "waits for Domctl");
    ASSERT_TRUE(turn.try_lock());
    expect_no_lock_held(); // whoever wants it comes again, so it may be kept while waiting for a CPU
    turn.unlock();
}

TEST_F(LockRankTest, OnlyTheHolderGivesBack)
{
    SpinLock lock(LockRank::DomainPages);
    host::use_cpu(0);
    lock.lock();
    host::use_cpu(1);
    EXPECT_DEATH(lock.unlock(), "gives back but does not hold DomainPages");
    host::use_cpu(0);
    lock.unlock();
}

TEST_F(LockRankTest, EveryCpuHasItsOwnRecord)
{
    SpinLock outer(LockRank::MmuTables);
    SpinLock inner(LockRank::DomainPages);
    host::use_cpu(0);
    inner.lock();
    host::use_cpu(1);
    {
        Guard guard(outer);
    }
    host::use_cpu(0);
    inner.unlock();
}

// The callback that is waited for may need the lock.
TEST_F(LockRankTest, WaitingForAnotherCpuWithALockIsABug)
{
    SpinLock lock(LockRank::DomainPages);
    Timer timer;
    timer_cancel_sync(timer);
    Guard guard(lock);
    EXPECT_DEATH(timer_cancel_sync(timer), "waits for another CPU while holding DomainPages");
}

} // namespace
} // namespace hv
