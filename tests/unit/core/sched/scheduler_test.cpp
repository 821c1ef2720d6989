// SPDX-License-Identifier: MIT
// The scheduler on the simulated machine: who runs, how much, how soon.
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

std::uint64_t run_time(Vcpu& vcpu)
{
    return vcpu_runstate(vcpu).time[RUNSTATE_running];
}

class SchedulerTest : public host::MachineTest
{
protected:
    // A running domain whose vCPUs may use the first `cpus` CPUs only.
    Domain& spinner(unsigned cpus, unsigned vcpus = 1)
    {
        Domain& made = domain(vcpus);
        CpuMask const hard{(1ull << cpus) - 1};
        for (unsigned id = 0; id < vcpus; ++id)
            EXPECT_TRUE(sched_set_affinity(*made.vcpus[id], &hard, nullptr));
        host::start(made);
        return made;
    }

    // How far the shares of a period are from what the weights say, as a fraction of the share.
    static double worst_error(std::vector<Domain*> const& domains, std::vector<std::uint64_t> const& before)
    {
        double weights = 0;
        double total = 0;
        for (std::size_t index = 0; index < domains.size(); ++index)
        {
            weights += domains[index]->sched_weight;
            total += static_cast<double>(run_time(*domains[index]->vcpus[0]) - before[index]);
        }
        double worst = 0;
        for (std::size_t index = 0; index < domains.size(); ++index)
        {
            double const got = static_cast<double>(run_time(*domains[index]->vcpus[0]) - before[index]);
            worst = std::max(worst, std::abs(got / (total * domains[index]->sched_weight / weights) - 1));
        }
        return worst;
    }
};

TEST_F(SchedulerTest, DomainRunsOnlyOnceItIsUnpausedAndUp)
{
    Domain& guest = domain(1);
    Vcpu& vcpu = *guest.vcpus[0];
    host::settle();
    EXPECT_EQ(vcpu_activity(vcpu), VcpuActivity::Offline);
    vcpu_up(vcpu);
    host::settle();
    EXPECT_FALSE(vcpu.sched.running) << "still paused by its creator";
    EXPECT_TRUE(domain_unpause_by_controller(guest));
    host::settle();
    EXPECT_TRUE(vcpu.sched.running);
    EXPECT_EQ(vcpu_activity(vcpu), VcpuActivity::Running);
    EXPECT_EQ(domain_unpause_by_controller(guest).error(), Errno::Inval);
}

TEST_F(SchedulerTest, PauseTakesVcpusOffTheirCpusAndNests)
{
    Domain& guest = running_domain(3);
    domain_pause(guest);
    EXPECT_TRUE(domain_descheduled(guest));
    domain_pause(guest);
    domain_unpause(guest);
    host::settle();
    EXPECT_TRUE(domain_descheduled(guest));
    domain_unpause(guest);
    host::settle();
    EXPECT_FALSE(domain_descheduled(guest));
}

TEST_F(SchedulerTest, ControllerPauseIsBounded)
{
    Domain& guest = domain(1);
    for (int count = 1; count < 255; ++count)
        EXPECT_TRUE(domain_pause_by_controller(guest));
    EXPECT_EQ(domain_pause_by_controller(guest).error(), Errno::Overflow);
}

TEST_F(SchedulerTest, VcpusSpreadOverIdleCpus)
{
    Domain& guest = running_domain(host::kCpus);
    for (unsigned id = 0; id < host::kCpus; ++id)
        EXPECT_TRUE(guest.vcpus[id]->sched.running) << "vCPU " << id;
}

TEST_F(SchedulerTest, BlockedVcpuSleepsUntilItIsKicked)
{
    Domain& guest = running_domain(1);
    Vcpu& vcpu = *guest.vcpus[0];
    unsigned const on = vcpu.sched.cpu.raw();
    vcpu.info->evtchn_upcall_mask = 0;
    host::use_cpu(on);
    vcpu_block(vcpu);
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_FALSE(vcpu.sched.running);
    EXPECT_EQ(vcpu_activity(vcpu), VcpuActivity::Blocked);
    EXPECT_EQ(vcpu_runstate(vcpu).state, RUNSTATE_blocked);
    mark_event_pending(vcpu);
    host::settle();
    EXPECT_TRUE(vcpu.sched.running);
}

TEST_F(SchedulerTest, BlockReturnsAtOnceWhenAnEventIsDeliverable)
{
    Domain& guest = running_domain(1);
    Vcpu& vcpu = *guest.vcpus[0];
    host::use_cpu(vcpu.sched.cpu.raw());
    vcpu.info->evtchn_upcall_mask = 0;
    vcpu.info->evtchn_upcall_pending = 1;
    vcpu_block(vcpu);
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_TRUE(vcpu.sched.running);
    vcpu.info->evtchn_upcall_pending = 0;
}

TEST_F(SchedulerTest, WakeBetweenBlockAndSwitchIsNotLost)
{
    Domain& guest = running_domain(1);
    Vcpu& vcpu = *guest.vcpus[0];
    host::use_cpu(vcpu.sched.cpu.raw());
    vcpu.info->evtchn_upcall_mask = 0;
    vcpu_block(vcpu); // the CPU has not yet left the hypervisor
    vcpu_wake(vcpu);
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_TRUE(vcpu.sched.running);
}

TEST_F(SchedulerTest, EventForARunningVcpuKicksItsCpu)
{
    Domain& guest = running_domain(1);
    Vcpu& vcpu = *guest.vcpus[0];
    unsigned const on = vcpu.sched.cpu.raw();
    host::use_cpu((on + 1) % host::kCpus);
    std::uint64_t const kicks = host::cpu(on).kicks;
    mark_event_pending(vcpu);
    EXPECT_EQ(host::cpu(on).kicks, kicks + 1);
    mark_event_pending(vcpu); // already pending: silent
    EXPECT_EQ(host::cpu(on).kicks, kicks + 1);
    host::use_cpu(host::kToolCpu);
}

TEST_F(SchedulerTest, LoneSpinnerCausesNoTimerInterrupts)
{
    spinner(1);
    host::settle();
    host::run_for(100 * kMillisecond);
    std::uint64_t const writes = host::cpu(0).timer_writes;
    host::run_for(10 * kSecond);
    EXPECT_EQ(host::cpu(0).timer_writes, writes);
}

TEST_F(SchedulerTest, SixtyFourEqualSpinnersShareOneCpuEqually)
{
    std::vector<Domain*> domains;
    for (int count = 0; count < 64; ++count)
        domains.push_back(&spinner(1));
    host::run_for(100 * kMillisecond);
    std::vector<std::uint64_t> before;
    for (Domain* one : domains)
        before.push_back(run_time(*one->vcpus[0]));
    host::run_for(10 * kSecond);
    EXPECT_LT(worst_error(domains, before), 0.05);
}

TEST_F(SchedulerTest, SixtyFourSpinnersOfFourWeightsGetTheirSharesOfTwoCpus)
{
    std::vector<Domain*> domains;
    for (int count = 0; count < 64; ++count)
    {
        domains.push_back(&spinner(2));
        EXPECT_TRUE(sched_set_weight(*domains.back(), 128u << (count % 4)));
    }
    host::run_for(5 * kSecond); // what earlier tests left on the queues, kMaxLag at most, is made up for by then
    std::vector<std::uint64_t> before;
    for (Domain* one : domains)
        before.push_back(run_time(*one->vcpus[0]));
    host::run_for(10 * kSecond);
    EXPECT_LT(worst_error(domains, before), 0.05);
}

TEST_F(SchedulerTest, ThreeSpinnersShareTwoCpusEqually)
{
    std::vector<Domain*> domains;
    for (int count = 0; count < 3; ++count)
        domains.push_back(&spinner(2));
    host::run_for(100 * kMillisecond);
    std::vector<std::uint64_t> before;
    for (Domain* one : domains)
        before.push_back(run_time(*one->vcpus[0]));
    std::uint64_t const start = host::now();
    host::run_for(10 * kSecond);
    EXPECT_LT(worst_error(domains, before), 0.05);
    std::uint64_t total = 0;
    for (std::size_t index = 0; index < domains.size(); ++index)
        total += run_time(*domains[index]->vcpus[0]) - before[index];
    EXPECT_GE(total, 2 * (host::now() - start) * 99 / 100) << "no CPU may idle while somebody waits";
}

TEST_F(SchedulerTest, SleeperIsServedPromptlyAmongManySpinners)
{
    for (int count = 0; count < 32; ++count)
        spinner(1);
    Domain& sleeper = spinner(1);
    Vcpu& vcpu = *sleeper.vcpus[0];
    std::uint64_t worst = 0;
    std::uint64_t total = 0;
    constexpr int kRounds = 50;
    for (int round = 0; round < kRounds; ++round)
    {
        for (int wait = 0; wait < 10000 && !vcpu.sched.running; ++wait)
            host::run_for(100'000);
        ASSERT_TRUE(vcpu.sched.running);
        host::use_cpu(0);
        vcpu.info->evtchn_upcall_mask = 0;
        vcpu.info->evtchn_upcall_pending = 0;
        vcpu_block(vcpu);
        host::use_cpu(host::kToolCpu);
        host::run_for(37 * kMillisecond);
        std::uint64_t const woken = host::now();
        mark_event_pending(vcpu);
        host::settle();
        while (!vcpu.sched.running)
            host::run_for(50'000);
        worst = std::max(worst, host::now() - woken);
        total += host::now() - woken;
    }
    EXPECT_LE(worst, 2 * kMillisecond);
    EXPECT_LE(total / kRounds, kMillisecond);
}

TEST_F(SchedulerTest, CapHoldsADomainBackOnAnIdleMachine)
{
    Domain& capped = spinner(2, 2);
    ASSERT_TRUE(sched_set_cap(capped, 50));
    host::run_for(200 * kMillisecond);
    std::uint64_t const before = run_time(*capped.vcpus[0]) + run_time(*capped.vcpus[1]);
    host::run_for(10 * kSecond);
    double const got = static_cast<double>(run_time(*capped.vcpus[0]) + run_time(*capped.vcpus[1]) - before) / kSecond;
    EXPECT_NEAR(got, 5.0, 0.25);
    ASSERT_TRUE(sched_set_cap(capped, 0));
    host::run_for(100 * kMillisecond);
    std::uint64_t const free = run_time(*capped.vcpus[0]) + run_time(*capped.vcpus[1]);
    host::run_for(kSecond);
    EXPECT_GT(run_time(*capped.vcpus[0]) + run_time(*capped.vcpus[1]) - free, 19 * kSecond / 10);
}

TEST_F(SchedulerTest, ParkedVcpuCanBePausedAndDestroyed)
{
    Domain& capped = spinner(1);
    ASSERT_TRUE(sched_set_cap(capped, 1));
    host::run_for(5 * kMillisecond);
    EXPECT_TRUE(capped.vcpus[0]->sched.parked);
    domain_pause(capped);
    EXPECT_FALSE(capped.vcpus[0]->sched.parked);
    host::run_for(100 * kMillisecond);
    EXPECT_FALSE(capped.vcpus[0]->sched.running);
    domain_unpause(capped);
    host::run_for(kMillisecond);
    end(capped);
}

TEST_F(SchedulerTest, HardAffinityIsObeyedAtOnce)
{
    Domain& guest = running_domain(1);
    Vcpu& vcpu = *guest.vcpus[0];
    for (unsigned target = 0; target < host::kCpus; ++target)
    {
        CpuMask const only = CpuMask::of(CpuId{target});
        ASSERT_TRUE(sched_set_affinity(vcpu, &only, nullptr));
        host::settle();
        EXPECT_TRUE(vcpu.sched.running);
        EXPECT_EQ(vcpu.sched.cpu.raw(), target);
    }
    CpuMask const offline{1ull << 40};
    EXPECT_EQ(sched_set_affinity(vcpu, &offline, nullptr).error(), Errno::Inval);
}

TEST_F(SchedulerTest, SoftAffinityIsPreferredWhileThereIsRoom)
{
    Domain& guest = domain(1);
    CpuMask const soft = CpuMask::of(CpuId{3});
    ASSERT_TRUE(sched_set_affinity(*guest.vcpus[0], nullptr, &soft));
    host::start(guest);
    host::settle();
    EXPECT_EQ(guest.vcpus[0]->sched.cpu.raw(), 3u);
}

TEST_F(SchedulerTest, IdleCpuTakesOverWaitingWork)
{
    Domain& first = spinner(1);
    Domain& second = spinner(1);
    host::run_for(50 * kMillisecond);
    CpuMask const both{3};
    ASSERT_TRUE(sched_set_affinity(*first.vcpus[0], &both, nullptr));
    ASSERT_TRUE(sched_set_affinity(*second.vcpus[0], &both, nullptr));
    host::run_for(50 * kMillisecond);
    EXPECT_TRUE(first.vcpus[0]->sched.running);
    EXPECT_TRUE(second.vcpus[0]->sched.running);
}

TEST_F(SchedulerTest, YieldLetsTheOtherRun)
{
    Domain& first = spinner(1);
    Domain& second = spinner(1);
    host::settle();
    Vcpu& running = first.vcpus[0]->sched.running ? *first.vcpus[0] : *second.vcpus[0];
    Vcpu& waiting = &running == first.vcpus[0] ? *second.vcpus[0] : *first.vcpus[0];
    host::advance(10'000);
    host::use_cpu(0);
    vcpu_yield(running);
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_TRUE(waiting.sched.running);
    EXPECT_FALSE(running.sched.running);
}

TEST_F(SchedulerTest, RunstatesAddUpToTheTimeThatPassed)
{
    Domain& first = spinner(1);
    spinner(1);
    auto const start = vcpu_runstate(*first.vcpus[0]);
    std::uint64_t const begin = host::now();
    host::run_for(3 * kSecond);
    auto const stop = vcpu_runstate(*first.vcpus[0]);
    std::uint64_t total = 0;
    for (int state = 0; state < 4; ++state)
        total += stop.time[state] - start.time[state];
    EXPECT_EQ(total, host::now() - begin);
    EXPECT_NEAR(static_cast<double>(stop.time[RUNSTATE_runnable] - start.time[RUNSTATE_runnable]) / kSecond, 1.5, 0.1);
}

TEST_F(SchedulerTest, ParametersAreChecked)
{
    Domain& guest = domain(1);
    EXPECT_EQ(sched_set_weight(guest, 0).error(), Errno::Inval);
    EXPECT_EQ(sched_set_weight(guest, 65536).error(), Errno::Inval);
    EXPECT_EQ(sched_set_cap(guest, 101).error(), Errno::Inval);
    EXPECT_EQ(sched_set_ratelimit_us(500001).error(), Errno::Inval);
    EXPECT_EQ(sched_pin_override(*guest.vcpus[0], 63).error(), Errno::Inval);
    EXPECT_EQ(sched_pin_override(*guest.vcpus[0], -1).error(), Errno::Inval);
    EXPECT_TRUE(sched_pin_override(*guest.vcpus[0], 1));
    EXPECT_EQ(sched_pin_override(*guest.vcpus[0], 2).error(), Errno::Busy);
    EXPECT_TRUE(sched_pin_override(*guest.vcpus[0], -1));
}

TEST_F(SchedulerTest, ShutdownIsSeenOnceEveryVcpuIsOffItsCpu)
{
    Domain& guest = running_domain(2);
    shutdown_domain(guest, SHUTDOWN_reboot);
    EXPECT_FALSE(guest.shut_down) << "its vCPUs are still on their CPUs";
    host::settle();
    EXPECT_TRUE(guest.shut_down);
    EXPECT_EQ(guest.shutdown_code, std::uint32_t{SHUTDOWN_reboot});
    shutdown_domain(guest, SHUTDOWN_crash);
    EXPECT_EQ(guest.shutdown_code, std::uint32_t{SHUTDOWN_reboot}) << "the first code sticks";
    resume_domain(guest);
    host::settle();
    EXPECT_TRUE(guest.vcpus[0]->sched.running);
}

} // namespace
} // namespace hv
