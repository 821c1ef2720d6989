// SPDX-License-Identifier: MIT
// Tests of the daemon's parts that need no daemon: the log, the metrics endpoint and the sandbox.
#include "daemon/log.hpp"
#include "daemon/metrics.hpp"
#include "daemon/sandbox.hpp"
#include "store_fixture.hpp"
#include "transport/socket_server.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tessera::store::test
{
namespace
{

class DaemonPartsTest : public ::testing::Test
{
protected:
    DaemonPartsTest()
    {
        directory = std::filesystem::temp_directory_path() / "daemon-parts-XXXXXX";
        EXPECT_NE(::mkdtemp(directory.data()), nullptr);
    }
    ~DaemonPartsTest() override { std::filesystem::remove_all(directory); }

    static std::string contents(std::string const& path)
    {
        std::ostringstream text;
        text << std::ifstream(path).rdbuf();
        return text.str();
    }

    std::string directory;
};

TEST_F(DaemonPartsTest, LogLinesHaveTimeLevelEventAndFields)
{
    std::string const path = directory + "/log";
    Log log;
    ASSERT_TRUE(log.open(path));
    log.write(LogLevel::Warning, "ring-broken", "domain=3");
    log.write(LogLevel::Debug, "hidden");
    log.set_level(LogLevel::Debug);
    log.write(LogLevel::Debug, "shown");
    std::string const text = contents(path);
    EXPECT_NE(text.find("Z level=warning event=ring-broken domain=3\n"), std::string::npos) << text;
    EXPECT_TRUE(text.starts_with("time=20")) << text;
    EXPECT_EQ(text.find("hidden"), std::string::npos);
    EXPECT_TRUE(text.ends_with("level=debug event=shown\n")) << text;
    EXPECT_FALSE(log.open(directory + "/no/such/directory/log"));
    log.write(LogLevel::Error, "still-here");
    EXPECT_TRUE(contents(path).ends_with("event=still-here\n")) << "a failed move keeps the old file";
}

TEST_F(DaemonPartsTest, QuotedTextCannotForgeFieldsOrLines)
{
    EXPECT_EQ(quote_text("a b"), "\"a b\"");
    EXPECT_EQ(quote_text("\"\\\n\x7f\xff\0"s), R"("\"\\\x0a\x7f\xff\x00")");
    EXPECT_EQ(quote_text("abcdef", 3), "\"abc\"...");
}

TEST_F(DaemonPartsTest, TheLogIsRotatedAtItsLimit)
{
    std::string const path = directory + "/log";
    {
        std::ofstream(path) << "old\n";
        std::filesystem::resize_file(path, std::uintmax_t{16} * 1024 * 1024 - 10);
    }
    Log log;
    ASSERT_TRUE(log.open(path));
    log.write(LogLevel::Info, "first-of-the-new-file");
    EXPECT_NE(contents(path).find("first-of-the-new-file"), std::string::npos);
    EXPECT_LT(std::filesystem::file_size(path), 200U);
    EXPECT_EQ(std::filesystem::file_size(path + ".1"), std::uintmax_t{16} * 1024 * 1024 - 10);
    std::filesystem::rename(path, path + ".moved"); // what logrotate does before it sends SIGHUP
    ASSERT_TRUE(log.reopen());
    log.write(LogLevel::Info, "after-the-move");
    EXPECT_NE(contents(path).find("after-the-move"), std::string::npos);
}

FileDescriptor connect_to(std::string const& path)
{
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address), 0);
    return socket;
}

std::string read_to_end(EventLoop& loop, FileDescriptor const& socket)
{
    std::string all;
    char part[4096];
    for (;;)
    {
        loop.run_once(0);
        ssize_t const got = ::recv(socket.get(), part, sizeof part, MSG_DONTWAIT);
        if (got > 0)
        {
            all.append(part, static_cast<std::size_t>(got));
        }
        else if (got == 0)
        {
            return all;
        }
    }
}

TEST_F(DaemonPartsTest, MetricsCountDomainsAndOperationsAndForgetNoSocket)
{
    EventLoop loop;
    Store store;
    MetricsServer const server(loop, store, SocketServer::listen_at(directory + "/metrics"));
    {
        TestClient first(store, store.connect_socket());
        first.write("/a", "1");
        first.read("/absent");
        first.call(XS_INTRODUCE, "5\0001\0001\0"s);
        store.disconnect(first.client());
    }
    TestClient five(store, *store.domain(5)->client);
    five.read("/a");
    std::string const text = read_to_end(loop, connect_to(directory + "/metrics"));
    for (std::string_view const line :
         {"tessera_store_requests_total{domain=\"0\",operation=\"write\"} 1\n",
          "tessera_store_requests_total{domain=\"5\",operation=\"read\"} 1\n",
          "tessera_store_errors_total{domain=\"0\"} 1\n", "tessera_store_errors_total{domain=\"5\"} 1\n",
          "tessera_store_domains 1\n", "tessera_store_domain_nodes{domain=\"0\"} 2\n"})
    {
        EXPECT_NE(text.find(line), std::string::npos) << line << text;
    }
}

// More text than a socket's buffer holds, and more readers that never read than are kept.
TEST_F(DaemonPartsTest, SlowReadersOfMetricsGetEverythingOrAreDropped)
{
    EventLoop loop;
    Store store;
    TestClient control(store, store.connect_socket());
    for (int id = 1; id <= 8000; ++id)
    {
        control.call(XS_INTRODUCE, std::to_string(id) + "\0001\0001\0"s);
        TestClient(store, *store.domain(static_cast<std::uint16_t>(id))->client).read("/");
    }
    MetricsServer const server(loop, store, SocketServer::listen_at(directory + "/metrics"));
    std::string const expected = metrics_text(store);
    ASSERT_GT(expected.size(), 600000U);
    std::vector<FileDescriptor> idle;
    for (int i = 0; i < 20; ++i)
    {
        idle.push_back(connect_to(directory + "/metrics"));
        loop.run_once(0);
    }
    EXPECT_LT(read_to_end(loop, idle[0]).size(), expected.size()) << "the oldest was dropped";
    EXPECT_EQ(read_to_end(loop, idle[19]), expected);
}

// Runs in a child, because it cannot be undone.
TEST_F(DaemonPartsTest, TheSandboxAllowsAStoreAndNothingElse)
{
    std::string const file = directory + "/state";
    pid_t const child = ::fork();
    if (child == 0)
    {
        int failed = drop_privileges() ? 0 : 1;
        int const fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        failed |= fd >= 0 && ::posix_fallocate(fd, 0, 4096) == 0 ? 0 : 2;
        failed |= ::socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : 4;
        failed |= ::socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM ? 0 : 8;
        failed |= ::syscall(SYS_fork) < 0 && errno == EPERM ? 0 : 16;
        failed |= ::syscall(SYS_ptrace, 0, 0, 0, 0) < 0 && errno == EPERM ? 0 : 32;
        failed |= ::chown(file.c_str(), 1, 1) < 0 && errno == EPERM ? 0 : 64;
        ::_exit(failed);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

} // namespace
} // namespace tessera::store::test
