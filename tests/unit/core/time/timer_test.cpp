// SPDX-License-Identifier: MIT
// Timers: order, re-arming from the callback, cancelling, moving between CPUs.
#include "machine_test.hpp"

#include <core/time/timer.hpp>

#include <vector>

namespace hv
{
namespace
{

using TimerTest = host::MachineTest;

struct Shot
{
    explicit Shot(std::vector<int>& log_, int number_) : log(log_), number(number_)
    {
        timer.callback = [](void* context) {
            auto& shot = *static_cast<Shot*>(context);
            shot.log.push_back(shot.number);
            shot.fired_at = host::now();
            if (shot.again != 0)
                timer_set(shot.timer, Nanoseconds{host::now() + std::exchange(shot.again, 0)});
        };
        timer.context = this;
    }
    std::vector<int>& log;
    int number;
    std::uint64_t fired_at = 0;
    std::uint64_t again = 0;
    Timer timer;
};

TEST_F(TimerTest, FireInOrderOfDeadlineAtTheirTime)
{
    std::vector<int> log;
    Shot late(log, 2);
    Shot early(log, 1);
    std::uint64_t const start = host::now();
    timer_set(late.timer, Nanoseconds{start + 2000});
    timer_set(early.timer, Nanoseconds{start + 1000});
    host::run_for(1500);
    EXPECT_EQ(log, (std::vector<int>{1}));
    EXPECT_EQ(early.fired_at, start + 1000);
    host::run_for(1500);
    EXPECT_EQ(log, (std::vector<int>{1, 2}));
    EXPECT_EQ(late.fired_at, start + 2000);
}

// Later timers leave the hardware to the shot that is under way. Once such a shot was lost, and with it every timer of
// its CPU for good: a control domain on several CPUs slept for ever.
TEST_F(TimerTest, ALostShotDoesNotEndTheTimersBehindIt)
{
    std::vector<int> log;
    Shot lost(log, 1);
    Shot next(log, 2);
    timer_set(lost.timer, Nanoseconds{host::now() + 1000});
    host::cpu(host::kToolCpu).timer = 0; // the hardware never fires
    host::run_for(2'000'000);
    EXPECT_TRUE(log.empty());
    EXPECT_TRUE(timers_overdue(CpuId{host::kToolCpu}));
    timer_set(next.timer, Nanoseconds{host::now() + 1000});
    host::run_for(2000);
    EXPECT_EQ(log, (std::vector<int>{1, 2}));
    EXPECT_FALSE(timers_overdue(CpuId{host::kToolCpu}));
}

TEST_F(TimerTest, DeadlineInThePastFiresAtOnce)
{
    std::vector<int> log;
    Shot shot(log, 1);
    timer_set(shot.timer, Nanoseconds{1});
    host::settle();
    EXPECT_EQ(log.size(), 1u);
    EXPECT_FALSE(shot.timer.armed());
}

TEST_F(TimerTest, CancelledTimerNeverFires)
{
    std::vector<int> log;
    Shot shot(log, 1);
    timer_set(shot.timer, Nanoseconds{host::now() + 1000});
    timer_cancel(shot.timer);
    timer_cancel(shot.timer);
    host::run_for(5000);
    EXPECT_TRUE(log.empty());
}

TEST_F(TimerTest, CallbackMaySetItAgain)
{
    std::vector<int> log;
    Shot shot(log, 1);
    shot.again = 700;
    std::uint64_t const start = host::now();
    timer_set(shot.timer, Nanoseconds{start + 300});
    host::run_for(2000);
    EXPECT_EQ(log.size(), 2u);
    EXPECT_EQ(shot.fired_at, start + 1000);
}

TEST_F(TimerTest, MovesToTheCpuThatSetsIt)
{
    std::vector<int> log;
    Shot shot(log, 1);
    host::use_cpu(1);
    timer_set(shot.timer, Nanoseconds{host::now() + 1000});
    host::use_cpu(2);
    timer_set(shot.timer, Nanoseconds{host::now() + 5000});
    EXPECT_EQ(shot.timer.cpu, 2u);
    host::run_for(2000);
    EXPECT_TRUE(log.empty());
    host::run_for(4000);
    EXPECT_EQ(log.size(), 1u);
    host::use_cpu(host::kToolCpu);
}

TEST_F(TimerTest, MovingADeadlineOutCostsNoHardwareWrite)
{
    std::vector<int> log;
    Shot shot(log, 1);
    timer_set(shot.timer, Nanoseconds{host::now() + 1000});
    std::uint64_t const writes = host::cpu(host::kToolCpu).timer_writes;
    for (std::uint64_t step = 1; step <= 100; ++step)
        timer_set(shot.timer, Nanoseconds{host::now() + 1000 + step});
    EXPECT_EQ(host::cpu(host::kToolCpu).timer_writes, writes);
    host::run_for(1050);
    EXPECT_TRUE(log.empty());
    host::run_for(100);
    EXPECT_EQ(log.size(), 1u);
}

} // namespace
} // namespace hv
