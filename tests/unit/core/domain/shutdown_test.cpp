// SPDX-License-Identifier: MIT
// The end of a domain's run: who may end it, how often, and what is said about it.
#include <core/console/console.hpp>
#include <core/domain/lifecycle.hpp>
#include <core/domain/machine.hpp>

#include <machine_test.hpp>

namespace hv
{
namespace
{

class Shutdown : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        (void)host::take_log();
    }
    static unsigned times(std::string const& log, std::string const& wanted)
    {
        unsigned found = 0;
        for (std::size_t at = log.find(wanted); at != std::string::npos; at = log.find(wanted, at + 1))
            ++found;
        return found;
    }
};

TEST_F(Shutdown, ACrashIsReportedOnceHoweverManyVcpusNoticeIt)
{
    // A report takes a slow line long: sixty-four vCPUs that ran into the same wall kept the console busy for minutes.
    Domain& guest = running_domain(3);
    for (char const* reason : {"the first reason", "the second reason", "the third reason"})
        crash_domain(guest, reason);
    host::settle();
    std::string const log = host::take_log();
    EXPECT_EQ(times(log, " crashed: "), 1u) << log;
    EXPECT_EQ(times(log, " crashed: the first reason"), 1u) << log;
    EXPECT_TRUE(guest.shut_down);
    EXPECT_EQ(guest.shutdown_code, std::uint32_t{SHUTDOWN_crash});
}

TEST_F(Shutdown, ACrashAfterAnOrderlyEndIsNoNews)
{
    Domain& guest = running_domain(2);
    shutdown_domain(guest, SHUTDOWN_poweroff);
    crash_domain(guest, "on the way out");
    host::settle();
    EXPECT_EQ(times(host::take_log(), " crashed: "), 0u);
    EXPECT_EQ(guest.shutdown_code, std::uint32_t{SHUTDOWN_poweroff}) << "the first end counts";
}

TEST_F(Shutdown, ADomainThatWasResumedMayCrashAgain)
{
    Domain& guest = running_domain(1);
    shutdown_domain(guest, SHUTDOWN_suspend);
    host::settle();
    resume_domain(guest);
    crash_domain(guest, "after all");
    EXPECT_EQ(times(host::take_log(), " crashed: after all"), 1u);
    EXPECT_EQ(guest.shutdown_code, std::uint32_t{SHUTDOWN_crash});
}

Domain* watched;
bool paused_when_reported;

TEST_F(Shutdown, TheOthersAreStoppedBeforeTheReport)
{
    watched = &running_domain(2);
    paused_when_reported = false;
    ConsoleHooks const before = console().hooks;
    console().hooks.output = [](std::span<char const>) { paused_when_reported = watched->system_pause_count != 0; };
    crash_domain(*watched, "with two vCPUs");
    console().hooks = before;
    EXPECT_TRUE(paused_when_reported);
}

TEST_F(Shutdown, TheControlDomainsCrashIsReportedAndStopsTheMachine)
{
    Domain& control = running_domain(1, true);
    EXPECT_THROW(crash_domain(control, "nobody is left"), host::MachineShutdown);
    EXPECT_EQ(times(host::take_log(), " crashed: nobody is left"), 1u);
}

} // namespace
} // namespace hv
