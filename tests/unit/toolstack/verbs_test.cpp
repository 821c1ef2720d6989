// SPDX-License-Identifier: MIT
// What verbs do and how they end, on a host of fakes.
#include "base/unique_fd.hpp"
#include "domain/find.hpp"
#include "expect_error.hpp"
#include "fake_host.hpp"
#include "verb.hpp"

#include <filesystem>
#include <fstream>
#include <functional>
#include <sys/inotify.h>
#include <unistd.h>

namespace vmctl
{
namespace
{

using vm::test::expect_error;
using vm::test::fake_host;

class Verbs : public vm::test::HostTest
{
protected:
    std::string config(std::string const& lines)
    {
        std::string const path = root_ + "/guest.cfg";
        std::ofstream(path) << "kernel = '/k'\nmemory = 64\n" << lines;
        return path;
    }
    static Invocation with(std::vector<std::string> operands, std::map<std::string, std::string, std::less<>> options)
    {
        return Invocation{std::move(operands), std::move(options)};
    }
    /// The verb's exit code; its output is left in `printed_`.
    ExitCode run(Verb const& verb, Invocation const& invocation)
    {
        testing::internal::CaptureStdout();
        testing::internal::CaptureStderr();
        auto const end_capture = [this] {
            printed_ = testing::internal::GetCapturedStdout();
            (void)testing::internal::GetCapturedStderr();
        };
        try
        {
            ExitCode const code = verb.run(invocation);
            end_capture();
            return code;
        }
        catch (...)
        {
            end_capture();
            throw;
        }
    }

    std::string printed_;
};

// A script that read "failed" started the guest once more, which was there.
TEST_F(Verbs, CreateSaysThatTheGuestIsThereWhenItsConsoleIsNot)
{
    expect_error(ExitCode::Partial, "guest 'web' is created, but the guest has no console terminal",
                 "vmctl console web", [&] { run(kCreate, with({config("name = 'web'\n")}, {{"console", ""}})); });
    EXPECT_EQ(fake_host().created.size(), 1u);
}

// The configured name was checked although another one was wanted, and the other one without saying where it came from.
TEST_F(Verbs, CreateUsesTheNameThatIsGivenInsteadOfTheConfiguredOne)
{
    EXPECT_EQ(run(kCreate, with({config("")}, {{"name", "web"}})), ExitCode::Ok) << "there need not be any other";
    EXPECT_EQ(run(kCreate, with({config("name = 'b/d'\n")}, {{"name", "db"}})), ExitCode::Ok) << "nor a good one";
    EXPECT_EQ(run(kCreate, with({config("name = 'cfg'\n")}, {{"name", "dry"}, {"dry-run", ""}})),
              ExitCode::WouldChange);
    ASSERT_EQ(fake_host().created.size(), 2u);
    EXPECT_EQ(fake_host().created[0].name, "web");
    EXPECT_EQ(fake_host().created[1].name, "db");
    ASSERT_EQ(fake_host().checked.size(), 1u);
    EXPECT_EQ(fake_host().checked[0].name, "dry");
    expect_error(ExitCode::Usage, "guest.cfg: ", "",
                 [&] { run(kCreate, with({config("name = 'good'\n")}, {{"name", "b/d"}})); });
}

TEST_F(Verbs, DmesgSaysWhatItWouldDoAndDoesNothing)
{
    fake_host().log = "one\ntwo\n";
    EXPECT_EQ(run(kHostDmesg, with({}, {{"dry-run", ""}, {"clear", ""}})), ExitCode::WouldChange);
    EXPECT_NE(printed_.find("clear"), std::string::npos) << printed_;
    EXPECT_EQ(run(kHostDmesg, with({}, {{"dry-run", ""}})), ExitCode::Ok) << "reading changes nothing";
    EXPECT_FALSE(fake_host().log_was_read);
    EXPECT_EQ(fake_host().log, "one\ntwo\n");
    EXPECT_EQ(run(kHostDmesg, with({}, {{"clear", ""}})), ExitCode::Ok);
    EXPECT_EQ(printed_, "one\ntwo\n");
    EXPECT_EQ(fake_host().log, "");
}

/// How often `action` opens the directory, or a file in it.
int opened_by(std::string const& directory, std::function<void()> const& action)
{
    vm::UniqueFd const watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    EXPECT_GE(::inotify_add_watch(watch.get(), directory.c_str(), IN_OPEN | IN_CLOSE), 0);
    action();
    alignas(inotify_event) char buffer[16384];
    int count = 0;
    ssize_t const size = ::read(watch.get(), buffer, sizeof buffer);
    for (ssize_t offset = 0; offset < size;)
    {
        auto const* const event = reinterpret_cast<inotify_event const*>(buffer + offset);
        offset += static_cast<ssize_t>(sizeof *event + event->len);
        count += (event->mask & IN_OPEN) != 0 ? 1 : 0; // between two of which there is a close, else they would be one
    }
    return count;
}

// With a hundred guests a creation read a hundred records. The names of our own are the registry's business, which is listed
// once; only what other toolstacks made costs a question to the store.
TEST_F(Verbs, TheNameOfANewGuestIsComparedWithoutALookAtEveryRecord)
{
    vm::Host host;
    std::filesystem::create_directories(host.registry.root() + "/guests");
    for (vm::DomainId id = 0; id < 100; ++id)
    {
        fake_host().domains.push_back(vm::DomainInfo{.id = id});
        if (id > 1)
        {
            std::ofstream(host.registry.root() + "/guests/" + std::to_string(id) + ".json") << "cannot be read";
        }
    }
    fake_host().nodes["/local/domain/1/name"] = "theirs";
    int const opened = opened_by(host.registry.root() + "/guests", [&] { vm::check_name_is_free(host, "ours"); });
    EXPECT_EQ(opened, 1) << "the list of guests, and no record";
    EXPECT_EQ(fake_host().store_reads, 2u) << "the control domain and the one without a record";
    expect_error(ExitCode::WrongState, "'theirs' is in use by domain 1", "another name",
                 [&] { vm::check_name_is_free(host, "theirs"); });
}

} // namespace
} // namespace vmctl
