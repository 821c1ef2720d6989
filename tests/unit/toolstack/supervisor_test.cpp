// SPDX-License-Identifier: MIT
// There is one supervisor at a time, and asking about it disturbs nobody.
#include "expect_error.hpp"
#include "fake_host.hpp"
#include "supervise/supervisor.hpp"

#include <atomic>
#include <thread>

namespace vm
{
namespace
{

class SupervisorLock : public test::HostTest
{
protected:
    Supervisor start()
    {
        return Supervisor(host_, {}, [](std::string const&) {});
    }

    Host host_;
};

TEST_F(SupervisorLock, ASecondSupervisorIsRefusedUntilTheFirstHasGone)
{
    EXPECT_FALSE(Supervisor::is_running(host_.registry)) << "there is not even a file";
    {
        Supervisor const first = start();
        EXPECT_TRUE(Supervisor::is_running(host_.registry));
        test::expect_error(ExitCode::WrongState, "running already", "", [&] { start(); });
        EXPECT_TRUE(Supervisor::is_running(host_.registry)) << "the attempt takes nothing away";
    }
    EXPECT_FALSE(Supervisor::is_running(host_.registry));
    EXPECT_NO_THROW(start());
}

// Whoever created a guest looked for a supervisor by trying to lock its file: one that started at that moment found it locked
// and ended, and nobody watched over the guests.
TEST_F(SupervisorLock, AskingForOneNeverKeepsOneFromStarting)
{
    start();
    std::atomic<bool> done = false;
    std::thread asking([&] {
        while (!done)
        {
            Supervisor::is_running(host_.registry);
        }
    });
    int refused = 0;
    for (int round = 0; round < 2000; ++round)
    {
        try
        {
            start();
        }
        catch (Error const&)
        {
            ++refused;
        }
    }
    done = true;
    asking.join();
    EXPECT_EQ(refused, 0);
}

} // namespace
} // namespace vm
