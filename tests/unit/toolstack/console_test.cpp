// SPDX-License-Identifier: MIT
// A session on a guest's console, in a process of its own with a terminal of its own.
#include "console_session.hpp"
#include "fake_host.hpp"

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <thread>
#include <unistd.h>

namespace vmctl
{
namespace
{

constexpr std::chrono::seconds kPatience{20};

struct Terminal
{
    Terminal()
    {
        int ends[2] = {-1, -1};
        char name[64] = {};
        EXPECT_EQ(::openpty(&ends[0], &ends[1], name, nullptr, nullptr), 0);
        master.reset(ends[0]);
        slave.reset(ends[1]);
        path = name;
    }
    termios settings() const
    {
        termios now = {};
        EXPECT_EQ(::tcgetattr(slave.get(), &now), 0);
        return now;
    }

    vm::UniqueFd master;
    vm::UniqueFd slave;
    std::string path;
};

class ConsoleSession : public vm::test::HostTest
{
protected:
    /// Starts a session between the two terminals; returns when the user's is raw.
    pid_t start()
    {
        vm::test::fake_host().nodes["/local/domain/7/console/tty"] = guest_.path;
        pid_t const child = ::fork();
        if (child == 0)
        {
            vm::UniqueFd const nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
            ::dup2(user_.slave.get(), STDIN_FILENO);
            ::dup2(nowhere.get(), STDOUT_FILENO);
            ::dup2(nowhere.get(), STDERR_FILENO);
            vm::Host host;
            ::_exit(static_cast<int>(attach_console(host, 7, vm::Uuid{})));
        }
        auto const limit = std::chrono::steady_clock::now() + kPatience;
        while ((user_.settings().c_lflag & ICANON) != 0 && std::chrono::steady_clock::now() < limit)
        {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        EXPECT_EQ(user_.settings().c_lflag & ICANON, 0u) << "it does not begin";
        return child;
    }
    static int wait_for(pid_t child)
    {
        auto const limit = std::chrono::steady_clock::now() + kPatience;
        int status = 0;
        while (::waitpid(child, &status, WNOHANG) == 0)
        {
            if (std::chrono::steady_clock::now() > limit)
            {
                ADD_FAILURE() << "it does not end";
                ::kill(child, SIGKILL);
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        return status;
    }
    void expect_restored(termios const& before) const
    {
        termios const after = user_.settings();
        EXPECT_EQ(after.c_lflag, before.c_lflag);
        EXPECT_EQ(after.c_iflag, before.c_iflag);
        EXPECT_EQ(after.c_oflag, before.c_oflag);
    }

    Terminal user_;
    Terminal guest_;
};

// A terminal that was left raw shows nothing of what is typed: its user has to close it.
TEST_F(ConsoleSession, SignalsLeaveTheTerminalAsItWas)
{
    termios const before = user_.settings();
    for (int const number : {SIGTERM, SIGINT, SIGHUP})
    {
        pid_t const child = start();
        ::kill(child, number);
        int const status = wait_for(child);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == number) << "the caller sees how it ended: " << status;
        expect_restored(before);
    }
}

TEST_F(ConsoleSession, TheEscapeEndsItAndLeavesTheTerminalAsItWas)
{
    termios const before = user_.settings();
    pid_t const child = start();
    ASSERT_EQ(::write(user_.master.get(), "x\x1d", 2), 2);
    int const status = wait_for(child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    char typed = 0;
    EXPECT_EQ(::read(guest_.master.get(), &typed, 1), 1);
    EXPECT_EQ(typed, 'x') << "what came before it has reached the guest";
    expect_restored(before);
}

} // namespace
} // namespace vmctl
