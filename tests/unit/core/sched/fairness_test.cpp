// SPDX-License-Identifier: MIT
// Fairness against those who do not play fair: guests that sleep to gain, caps and pins among many, weights that change.
#include "machine_test.hpp"

#include <core/evtchn/event_channels.hpp>
#include <core/sched/run_queue.hpp>
#include <core/time/clock.hpp>

#include <cmath>
#include <vector>

namespace hv
{
namespace
{

inline constexpr std::uint64_t kMillisecond = 1'000'000;
inline constexpr std::uint64_t kSecond = 1'000'000'000;

class FairnessTest : public host::MachineTest
{
protected:
    Domain& spinner(CpuMask hard)
    {
        Domain& made = domain(1);
        EXPECT_TRUE(sched_set_affinity(*made.vcpus[0], &hard, nullptr));
        host::start(made);
        return made;
    }
    static double seconds(Domain& of)
    {
        return static_cast<double>(vcpu_runstate(*of.vcpus[0]).time[RUNSTATE_running]) / kSecond;
    }
    // Run time of each over `nanoseconds`.
    static std::vector<double> gains(std::vector<Domain*> const& domains, std::uint64_t nanoseconds)
    {
        std::vector<double> before;
        for (Domain* one : domains)
            before.push_back(seconds(*one));
        host::run_for(nanoseconds);
        for (std::size_t index = 0; index < domains.size(); ++index)
            before[index] = seconds(*domains[index]) - before[index];
        return before;
    }
    static void block(Vcpu& vcpu)
    {
        host::use_cpu(vcpu.sched.cpu.raw());
        vcpu.info->evtchn_upcall_mask = 0;
        vcpu.info->evtchn_upcall_pending = 0;
        vcpu_block(vcpu);
        host::use_cpu(host::kToolCpu);
        host::settle();
    }

    // Until what earlier tests left on the queues, kMaxLag at most, has been made up for by 64 guests.
    static constexpr std::uint64_t kEvenedOut = 5 * kSecond;
    static constexpr CpuMask kFirst{1};
    static constexpr CpuMask kFirstTwo{3};
};

TEST_F(FairnessTest, SleepingBrieflyGainsNothing)
{
    // Whoever sleeps before each clock tick escapes a scheduler that charges by ticks, and one that rewards every wake-up
    // with credit. This one runs nine tenths of every millisecond that it gets, and sleeps the rest.
    std::vector<Domain*> all;
    for (int count = 0; count < 8; ++count)
        all.push_back(&spinner(kFirst));
    Vcpu& gamer = *all[0]->vcpus[0];
    host::run_for(200 * kMillisecond);
    std::vector<double> before;
    for (Domain* one : all)
        before.push_back(seconds(*one));
    std::uint64_t const end = host::now() + 10 * kSecond;
    while (host::now() < end)
    {
        if (!gamer.sched.running)
        {
            host::run_for(kMillisecond / 2);
            continue;
        }
        host::run_for(9 * kMillisecond / 10);
        if (!gamer.sched.running)
            continue;
        block(gamer);
        host::run_for(kMillisecond / 10);
        mark_event_pending(gamer);
        host::settle();
    }
    EXPECT_LE(seconds(*all[0]) - before[0], 10.0 / 8 * 1.05);
    for (std::size_t index = 1; index < all.size(); ++index)
        EXPECT_GE(seconds(*all[index]) - before[index], 10.0 / 8 * 0.95) << index;
}

TEST_F(FairnessTest, CapsBindAndTheRestIsSharedByWeight)
{
    // 64 on two CPUs; every fourth is capped at one per cent of a CPU, which is less than its share.
    std::vector<Domain*> capped, free;
    for (int count = 0; count < 64; ++count)
    {
        Domain& made = spinner(kFirstTwo);
        if (count % 4 == 0)
        {
            ASSERT_TRUE(sched_set_cap(made, 1));
            capped.push_back(&made);
        }
        else
        {
            ASSERT_TRUE(sched_set_weight(made, count % 2 == 0 ? 512 : 256));
            free.push_back(&made);
        }
    }
    std::vector<Domain*> all = capped;
    all.insert(all.end(), free.begin(), free.end());
    host::run_for(kEvenedOut);
    std::vector<double> const got = gains(all, 10 * kSecond);
    double rest = 0;
    double weights = 0;
    for (std::size_t index = 0; index < all.size(); ++index)
        if (index < capped.size())
            EXPECT_NEAR(got[index], 0.1, 0.01) << "one per cent of ten seconds";
        else
        {
            rest += got[index];
            weights += all[index]->sched_weight;
        }
    EXPECT_GT(rest, 20 - 1.6 - 0.2) << "what the capped leave is used";
    for (std::size_t index = capped.size(); index < all.size(); ++index)
        EXPECT_NEAR(got[index] * weights / (rest * all[index]->sched_weight), 1, 0.05) << index;
}

TEST_F(FairnessTest, PinnedOnesShareTheirCpuAndTheOthersTheRest)
{
    // 24 may only use CPU 0, 40 use either: 64 equal guests on two CPUs can still have equal shares.
    std::vector<Domain*> all;
    for (int count = 0; count < 64; ++count)
        all.push_back(&spinner(count < 24 ? kFirst : kFirstTwo));
    host::run_for(kEvenedOut);
    std::vector<double> const got = gains(all, 10 * kSecond);
    for (std::size_t index = 0; index < all.size(); ++index)
        EXPECT_NEAR(got[index], 20.0 / 64, 20.0 / 64 * 0.05) << index;
    for (int count = 0; count < 24; ++count)
        EXPECT_EQ(all[count]->vcpus[0]->sched.cpu.raw(), 0u);
}

TEST_F(FairnessTest, OverfullPinsAreFairAmongThemselves)
{
    // 48 share CPU 0, 16 have CPU 1 to themselves: nobody there may be drawn down to the others' share.
    std::vector<Domain*> all;
    for (int count = 0; count < 64; ++count)
        all.push_back(&spinner(count < 48 ? kFirst : CpuMask{2}));
    host::run_for(kEvenedOut);
    std::vector<double> const got = gains(all, 10 * kSecond);
    for (std::size_t index = 0; index < all.size(); ++index)
    {
        double const share = index < 48 ? 10.0 / 48 : 10.0 / 16;
        EXPECT_NEAR(got[index], share, share * 0.05) << index;
    }
}

TEST_F(FairnessTest, WhoWasAloneForLongStillHasAShareWhenOthersCome)
{
    // Nothing interrupts a guest that is alone, so its queue's time stood still for the minute that it ran. Whoever came then
    // counted as a minute behind, and the first did not run at all until that was made up for.
    std::vector<Domain*> all{&spinner(kFirst)};
    host::run_for(60 * kSecond);
    all.push_back(&spinner(kFirst));
    std::vector<double> const got = gains(all, kSecond);
    EXPECT_NEAR(got[0], 0.5, 0.05);
    EXPECT_NEAR(got[1], 0.5, 0.05);
}

TEST_F(FairnessTest, ACpuThatWasIdleForLongIsNobodysOwn)
{
    // CPU 0 was busy for a minute while CPU 1 had nothing to do. Whoever then came to run on CPU 1 counted as a minute behind,
    // and had it alone all that time, while the others shared CPU 0.
    Domain& busy = spinner(kFirst);
    host::run_for(60 * kSecond);
    std::vector<Domain*> all{&busy};
    for (int count = 0; count < 2; ++count)
        all.push_back(&spinner(kFirstTwo));
    host::run_for(kSecond);
    std::vector<double> const got = gains(all, 10 * kSecond);
    for (std::size_t index = 0; index < all.size(); ++index)
        EXPECT_NEAR(got[index], 20.0 / 3, 20.0 / 3 * 0.05) << index;
}

TEST_F(FairnessTest, ANewWeightCountsFromNowOn)
{
    std::vector<Domain*> all;
    for (int count = 0; count < 8; ++count)
        all.push_back(&spinner(kFirst));
    host::run_for(2 * kSecond);
    ASSERT_TRUE(sched_set_weight(*all[3], 4 * 256));
    host::run_for(300 * kMillisecond);
    std::vector<double> const got = gains(all, 5 * kSecond);
    for (std::size_t index = 0; index < all.size(); ++index)
    {
        double const share = 5.0 * (index == 3 ? 4 : 1) / 11;
        EXPECT_NEAR(got[index], share, share * 0.05) << index;
    }
}

TEST_F(FairnessTest, ALongSleepIsNotSavedUp)
{
    // After a minute asleep a guest may not take the CPU for half a minute.
    Domain& sleeper = spinner(kFirst);
    std::vector<Domain*> all{&sleeper};
    host::run_for(10 * kMillisecond);
    block(*sleeper.vcpus[0]);
    for (int count = 0; count < 3; ++count)
        all.push_back(&spinner(kFirst));
    host::run_for(60 * kSecond);
    mark_event_pending(*sleeper.vcpus[0]);
    host::settle();
    std::vector<double> const got = gains(all, kSecond);
    EXPECT_NEAR(got[0], 0.25, 0.03);
}

TEST_F(FairnessTest, AnIdleGuestWakesPromptlyOnABusyMachine)
{
    // Two CPUs, 63 spinners, one guest that has been idle and answers now and then: it always runs within two milliseconds.
    // (One that has just had its share of the CPU waits for its turn like the others.)
    std::vector<Domain*> all;
    for (int count = 0; count < 63; ++count)
        all.push_back(&spinner(kFirstTwo));
    Domain& server = spinner(kFirstTwo);
    Vcpu& vcpu = *server.vcpus[0];
    host::run_for(kEvenedOut);
    for (int wait = 0; wait < 10000 && !vcpu.sched.running; ++wait)
        host::run_for(100'000);
    ASSERT_TRUE(vcpu.sched.running);
    block(vcpu);
    host::run_for(kEvenedOut);
    std::uint64_t worst = 0;
    for (int round = 0; round < 200; ++round)
    {
        host::run_for(3 * kMillisecond + 7919 * round); // out of step with every slice
        std::uint64_t const woken = host::now();
        mark_event_pending(vcpu);
        host::settle();
        while (!vcpu.sched.running)
            host::run_for(20'000);
        worst = std::max(worst, host::now() - woken);
        host::run_for(50'000); // its answer
        block(vcpu);
    }
    EXPECT_LE(worst, 2 * kMillisecond);
}

} // namespace
} // namespace hv
