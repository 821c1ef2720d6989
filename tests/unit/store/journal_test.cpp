// SPDX-License-Identifier: MIT
// Tests of the journal: what is committed comes back, damage and full file systems are noticed.
#include "journal/journal.hpp"
#include "store_fixture.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>

namespace tessera::store::test
{
namespace
{

class JournalTest : public ::testing::Test
{
protected:
    JournalTest()
    {
        directory = std::filesystem::temp_directory_path() / "journal-test-XXXXXX";
        EXPECT_NE(::mkdtemp(directory.data()), nullptr);
    }
    ~JournalTest() override { std::filesystem::remove_all(directory); }

    // A store with its journal; dropping it is what a kill leaves: nothing is written at the end.
    struct Running
    {
        explicit Running(std::string const& directory) : journal(directory)
        {
            records = journal.recover(store, rings);
            journal.start(store, rings);
            store.set_commit_log(&journal);
        }
        Store store;
        Journal journal;
        RecoveredRings rings;
        std::size_t records = 0;
        TestClient control{store, store.connect_socket()};
    };

    static std::string contents(Store const& store)
    {
        std::string text;
        std::string path("/");
        for_each_below(*store.tree().root(), path, [&](std::string const& at, Node const& node) {
            text += at + "=" + std::string(node.value()) + " ";
            for (auto const& permission : store.nodes().permissions().list(node.permissions))
            {
                text += format_permission(permission);
            }
            text += ";";
        });
        return text;
    }

    std::string directory;
};

TEST_F(JournalTest, EverythingCommittedComesBack)
{
    std::string before;
    {
        Running first(directory);
        EXPECT_EQ(first.records, 0U);
        first.control.call(XS_INTRODUCE, "1\000123\0007\0"s);
        first.control.call(XS_INTRODUCE, "2\000124\0008\0"s);
        first.control.call(XS_INTRODUCE, "3\000125\0009\0"s);
        first.control.make_directory("/local/domain/1");
        first.control.set_permissions("/local/domain/1", "n1,r2");
        TestClient one(first.store, *first.store.domain(1)->client);
        one.write("data", "value\0with NUL"s);
        one.watch("device", "token");
        one.watch("gone", "token");
        one.unwatch("gone", "token");
        first.control.write("/a/b/c", std::string(3000, 'x'));
        first.control.remove("/a/b");
        first.control.call(XS_SET_TARGET, "2\0001\0"s);
        first.control.call(XS_RELEASE, "3\0"s);
        first.control.set_permissions("@releaseDomain", "n0,r1");
        std::uint32_t const committed = first.control.start();
        first.control.write("/t/committed", "yes", committed);
        first.control.end(committed);
        std::uint32_t const open = first.control.start();
        first.control.write("/t/open", "no", open);
        before = contents(first.store);
    }
    for (int restart = 0; restart < 2; ++restart)
    {
        Running next(directory);
        EXPECT_GT(next.records, 0U);
        EXPECT_EQ(contents(next.store), before);
        EXPECT_EQ(next.control.read("/t/open"), "!ENOENT");
        ASSERT_NE(next.store.domain(1), nullptr);
        EXPECT_EQ(next.store.domain(1)->frame, 123U);
        EXPECT_EQ(next.store.domain(1)->port, 7U);
        EXPECT_EQ(next.store.domain(2)->client->target, 1);
        EXPECT_EQ(next.store.domain(3), nullptr);
        EXPECT_EQ(next.store.watch_count(), 1U);
        EXPECT_EQ(next.store.special_permissions("@releaseDomain")->size(), 2U);
        EXPECT_TRUE(next.control.call(XS_CONTROL, "check\0"s).starts_with("OK"));
        TestClient one(next.store, *next.store.domain(1)->client);
        next.control.write("/local/domain/1/device/vif", "");
        EXPECT_EQ(one.events(), (Events{"device/vif|token"}));
        next.control.remove("/local/domain/1/device");
        one.events();
    }
}

TEST_F(JournalTest, SnapshotsReplaceALongJournalWhileServingGoesOn)
{
    std::string before;
    {
        Running first(directory);
        for (int i = 0; i < 3000; ++i)
        {
            first.control.write("/n/" + std::to_string(i % 700), std::string(1000, static_cast<char>('a' + i % 26)));
            first.journal.maintain(first.store);
        }
        EXPECT_LT(first.journal.journal_bytes(), std::size_t{3} * 1024 * 1024);
        EXPECT_EQ(first.journal.refused(), 0U);
        before = contents(first.store);
    }
    Running next(directory);
    EXPECT_EQ(contents(next.store), before);
}

// A snapshot that is half written when a domain ends shows the domain's nodes without their owner.
TEST_F(JournalTest, ADomainThatEndsDuringASnapshotIsGoneAfterARestart)
{
    std::string before;
    {
        Running first(directory);
        for (int id = 1; id <= 40; ++id)
        {
            std::string const number = std::to_string(id);
            first.control.call(XS_INTRODUCE, number + "\0001\0001\0"s);
            first.control.make_directory("/local/domain/" + number);
            first.control.set_permissions("/local/domain/" + number, "n" + number);
            TestClient guest(first.store, *first.store.domain(static_cast<std::uint16_t>(id))->client);
            for (int i = 0; i < 20; ++i)
            {
                guest.write("data/" + std::to_string(i), "x");
            }
        }
        for (int i = 0; i < 1200 || !first.journal.maintain(first.store); ++i)
        {
            ASSERT_LT(i, 5000) << "no snapshot was begun";
            first.control.write("/filler", std::string(1500, static_cast<char>('a' + i % 26)));
        }
        for (int id = 1; id <= 40; ++id)
        {
            first.control.call(XS_RELEASE, std::to_string(id) + "\0"s);
        }
        while (first.journal.maintain(first.store))
        {
        }
        before = contents(first.store);
    }
    Running next(directory);
    EXPECT_EQ(contents(next.store), before);
    EXPECT_TRUE(next.store.domains().empty());
    EXPECT_EQ(next.control.call(XS_CONTROL, "check\0"s), "OK\0"s);
}

TEST_F(JournalTest, QuotasAndTransactionNumbersAreKept)
{
    std::uint32_t last = 0;
    {
        Running first(directory);
        first.control.call(XS_CONTROL, "quota\0set\0nodes\000777\0"s);
        first.control.call(XS_CONTROL, "quota-soft\0set\0memory\000888\0"s);
        last = first.control.start();
    }
    for (int restart = 0; restart < 2; ++restart)
    {
        Running next(directory);
        EXPECT_EQ(next.store.quotas().nodes, 777U);
        EXPECT_EQ(next.store.quotas().soft_memory, 888U);
        EXPECT_EQ(next.store.quotas().watches, Quotas().watches);
        std::uint32_t const fresh = next.control.start();
        EXPECT_GT(fresh, last) << "a guest may still use the number";
        last = fresh;
    }
}

TEST_F(JournalTest, DamageIsReported)
{
    {
        Running first(directory);
        first.control.write("/a", "1");
    }
    for (auto const& entry : std::filesystem::directory_iterator(directory))
    {
        if (entry.path().filename().string().starts_with("snapshot."))
        {
            std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
            file.write("\xff\xff\xff\x7f", 4);
        }
    }
    Store store;
    RecoveredRings rings;
    Journal journal(directory);
    EXPECT_THROW(journal.recover(store, rings), std::runtime_error);
}

TEST_F(JournalTest, TwoDaemonsDoNotShareADirectory)
{
    Running const first(directory);
    EXPECT_THROW(Journal second(directory), std::runtime_error);
}

// A limit on file sizes stands for a full file system: both make the allocation fail.
class FullFileSystem
{
public:
    explicit FullFileSystem(std::size_t kibibytes)
    {
        std::signal(SIGXFSZ, SIG_IGN);
        ::getrlimit(RLIMIT_FSIZE, &old_);
        rlimit const small{kibibytes * 1024, old_.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &small);
    }
    FullFileSystem(FullFileSystem const&) = delete;
    FullFileSystem& operator=(FullFileSystem const&) = delete;
    ~FullFileSystem() { ::setrlimit(RLIMIT_FSIZE, &old_); }

private:
    rlimit old_{};
};

TEST_F(JournalTest, AFullFileSystemRefusesTheRequestAndLosesNothing)
{
    Running first(directory);
    first.control.write("/kept", "1");
    std::string last = kOk;
    std::string read_while_full;
    int written = 0;
    {
        FullFileSystem const full(300);
        for (; written < 1000 && last == kOk; ++written)
        {
            last = first.control.write("/n" + std::to_string(written), std::string(2000, 'x'));
        }
        read_while_full = first.control.read("/kept");
    }
    std::string const refused = "/n" + std::to_string(written - 1);
    EXPECT_EQ(last, "!ENOSPC");
    EXPECT_EQ(read_while_full, "1");
    EXPECT_EQ(first.control.read(refused), "!ENOENT");
    EXPECT_GT(first.journal.refused(), 0U);
    EXPECT_EQ(first.control.write(refused, "room again"), kOk);
}

// A daemon that was killed when its file system was full did not start again before there was room for another
// journal beside the old one.
TEST_F(JournalTest, AFullFileSystemDoesNotKeepAKilledDaemonFromComingBack)
{
    std::string before;
    {
        Running first(directory);
        first.control.write("/kept", std::string(3000, 'k'));
        before = contents(first.store);
    }
    for (std::size_t const kibibytes : {std::size_t{0}, std::size_t{1}})
    { // no room for anything; the same when a snapshot's first bytes still find some
        FullFileSystem const full(kibibytes);
        Running second(directory);
        EXPECT_EQ(contents(second.store), before);
        EXPECT_EQ(second.control.read("/kept"), std::string(3000, 'k'));
        EXPECT_EQ(second.control.write("/small", "fits into what the old journal has left"), kOk);
        EXPECT_EQ(second.control.write("/large/" + std::string(200, 'p'), std::string(3000, 'x')), kOk);
        EXPECT_EQ(second.control.remove("/large"), kOk);
        before = contents(second.store);
    }
    Running third(directory);
    EXPECT_EQ(contents(third.store), before);
    EXPECT_EQ(third.control.write("/after", "room again"), kOk);
}

// A snapshot that does not fit leaves the new journal in use, and the older snapshot with the journals after it.
TEST_F(JournalTest, ASnapshotThatDoesNotFitAtTheStartIsGivenUp)
{
    std::string before;
    {
        Running first(directory);
        for (int i = 0; i < 200; ++i)
        {
            first.control.write("/n" + std::to_string(i), std::string(2000, 'x'));
        }
        before = contents(first.store);
    }
    {
        FullFileSystem const full(300); // a journal's first step fits, the snapshot of 400 KiB does not
        Running second(directory);
        EXPECT_EQ(contents(second.store), before);
        EXPECT_EQ(second.control.write("/more", "1"), kOk);
        before = contents(second.store);
    }
    Running third(directory);
    EXPECT_EQ(contents(third.store), before);
}

TEST_F(JournalTest, AnEmptyStoreDoesNotStartWithoutRoom)
{
    FullFileSystem const full(1);
    EXPECT_THROW(Running first(directory), std::runtime_error);
}

} // namespace
} // namespace tessera::store::test
