// SPDX-License-Identifier: MIT
// What keeps a supervisor and a creation from losing guests: limits on restarts, and signals at safe points only.
#include "domain/signals.hpp"
#include "expect_error.hpp"
#include "supervise/restart_policy.hpp"

#include <csignal>

namespace vm
{
namespace
{

using test::expect_error;

GuestRecord started(std::int64_t at, std::uint32_t quick_restarts)
{
    GuestRecord record;
    record.created_at = at;
    record.quick_restarts = quick_restarts;
    return record;
}

TEST(RestartPolicy, CountsQuickEndsInARow)
{
    EXPECT_EQ(quick_restarts_after(started(100, 0), 101), 1u);
    EXPECT_EQ(quick_restarts_after(started(100, 4), 109), 5u);
    EXPECT_EQ(quick_restarts_after(started(100, 4), 110), 0u) << "it ran long enough: the count starts anew";
}

TEST(RestartPolicy, EndsACrashLoop)
{
    std::uint32_t count = 0;
    int starts = 1;
    while (auto const next = quick_restarts_after(started(100, count), 101))
    {
        count = *next;
        ASSERT_LT(++starts, 100);
    }
    EXPECT_EQ(starts, 6);
}

TEST(SignalGuard, TurnsAWaitingSignalIntoAnError)
{
    SignalGuard signals;
    EXPECT_NO_THROW(signals.check());
    std::raise(SIGTERM);
    expect_error(ExitCode::Failed, "interrupted", "", [&] { signals.check(); });
    EXPECT_NO_THROW(signals.check());
}

// A second Ctrl-C ended vmctl while it took a guest back, and left a domain that nobody knew of.
TEST(SignalGuard, DropsFurtherSignalsWhileTheWayBackIsGone)
{
    {
        SignalGuard signals;
        std::raise(SIGINT);
        EXPECT_THROW(signals.check(), Error);
        std::raise(SIGINT);
        std::raise(SIGTERM);
    }
    SUCCEED() << "still here";
}

// A supervisor reads its signals from a file: what a creation took away there, nobody ever saw.
TEST(SignalGuard, LeavesASignalToItsOwnerUnlessAsked)
{
    sigset_t set;
    sigset_t before;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &before);
    std::raise(SIGTERM);
    {
        SignalGuard const signals;
    }
    timespec const none = {};
    EXPECT_EQ(sigtimedwait(&set, nullptr, &none), SIGTERM);
    sigprocmask(SIG_SETMASK, &before, nullptr);
}

} // namespace
} // namespace vm
