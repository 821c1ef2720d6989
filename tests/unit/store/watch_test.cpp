// SPDX-License-Identifier: MIT
// Tests of watches: who hears of which change, how often and in which order.
#include "store_fixture.hpp"

#include <random>
#include <set>

namespace tessera::store::test
{
namespace
{

// The index's table moves entries when others go: whatever was added and not removed must be found.
TEST(WatchIndexTest, FindsExactlyWhatIsRegistered)
{
    WatchIndex index{HashKey{}};
    std::mt19937 random(3);
    std::vector<std::unique_ptr<Watch>> watches;
    std::multiset<std::string> paths;
    for (int step = 0; step < 20000; ++step)
    {
        if (random() % 100 < 52 || watches.empty())
        {
            auto& watch = watches.emplace_back(std::make_unique<Watch>("/w" + std::to_string(random() % 300), "token"));
            paths.emplace(watch->path());
            index.add(*watch);
        }
        else
        {
            std::swap(watches[random() % watches.size()], watches.back());
            index.remove(*watches.back());
            paths.erase(paths.find(std::string(watches.back()->path())));
            watches.pop_back();
        }
        std::string const path = "/w" + std::to_string(random() % 300);
        std::size_t found = 0;
        index.for_each_covering(path + "/below", [&](Watch& watch, std::string_view below) {
            EXPECT_EQ(watch.path(), path);
            EXPECT_EQ(below, "/below");
            ++found;
        });
        ASSERT_EQ(found, paths.count(path)) << "step " << step;
        ASSERT_EQ(index.size(), watches.size());
    }
}

TEST_F(StoreTest, AWatchReportsItselfFirst)
{
    EXPECT_EQ(control.watch("/a", "token"), kOk);
    EXPECT_EQ(control.events(), (Events{"/a|token"}));
    EXPECT_EQ(control.watch("/a", "token"), "!EEXIST");
    EXPECT_EQ(control.watch("/a", "other"), kOk);
}

TEST_F(StoreTest, ChangesBelowAreReportedWithTheirPath)
{
    control.watch("/a", "t");
    control.events();
    control.write("/a/b/c", "1");
    control.write("/a", "2");
    control.write("/ab", "3");
    control.set_permissions("/a/b", "n1");
    EXPECT_EQ(control.events(), (Events{"/a/b/c|t", "/a|t", "/a/b|t"}));
    EXPECT_EQ(control.unwatch("/a", "t"), kOk);
    EXPECT_EQ(control.unwatch("/a", "t"), "!ENOENT");
    control.write("/a/b/c", "1");
    EXPECT_EQ(control.events(), Events{});
}

TEST_F(StoreTest, MakeDirectoryOfAnExistingNodeIsNoChange)
{
    control.write("/a", "");
    control.watch("/a", "t");
    control.events();
    control.make_directory("/a");
    control.remove("/a/absent");
    EXPECT_EQ(control.events(), Events{});
}

TEST_F(StoreTest, RemovingReportsWatchedNodesBelowThatExisted)
{
    control.write("/a/b/c", "");
    control.watch("/a", "top");
    control.watch("/a/b/c", "deep");
    control.watch("/a/b/absent", "absent");
    control.events();
    control.remove("/a/b");
    EXPECT_EQ(control.events(), (Events{"/a/b/c|deep", "/a/b|top"}));
}

TEST_F(StoreTest, RelativeWatchesReportRelativePaths)
{
    TestClient one = guest(1);
    EXPECT_EQ(one.watch("device", "t"), kOk);
    one.write("device/vif", "");
    control.write("/local/domain/1/device/vbd", "");
    EXPECT_EQ(one.events(), (Events{"device|t", "device/vif|t", "device/vbd|t"}));
}

TEST_F(StoreTest, DepthLimitsWhatIsReported)
{
    EXPECT_EQ(control.call(XS_WATCH, "/a\0t\0000\0"s), kOk);
    EXPECT_EQ(control.call(XS_WATCH, "/a\0u\0001\0"s), kOk);
    EXPECT_EQ(control.call(XS_WATCH, "/a\0v\0x\0"s), "!EINVAL");
    control.events();
    control.write("/a", "");
    Events both = control.events();
    std::sort(both.begin(), both.end());
    EXPECT_EQ(both, (Events{"/a|t", "/a|u"}));
    control.write("/a/b", "");
    EXPECT_EQ(control.events(), (Events{"/a/b|u"}));
    control.write("/a/b/c", "");
    EXPECT_EQ(control.events(), Events{});
}

TEST_F(StoreTest, EventsNeedTheRightToRead)
{
    TestClient one = guest(1);
    TestClient two = guest(2);
    one.watch("/local/domain/2", "t");
    one.events();
    two.write("x", "");
    EXPECT_EQ(one.events(), Events{}) << "no right, no event";
    two.set_permissions("x", "n2,r1");
    EXPECT_EQ(one.events(), (Events{"/local/domain/2/x|t"}));
    two.write("x", "1");
    EXPECT_EQ(one.events(), (Events{"/local/domain/2/x|t"}));
    two.set_permissions("x", "n2");
    EXPECT_EQ(one.events(), (Events{"/local/domain/2/x|t"})) << "the right's end is still seen";
    two.remove("x");
    EXPECT_EQ(one.events(), Events{});
}

TEST_F(StoreTest, SpecialWatchesNeedPermission)
{
    TestClient one = guest(1);
    control.watch("@introduceDomain", "i");
    control.watch("@releaseDomain", "r");
    one.watch("@releaseDomain", "r");
    control.events();
    one.events();
    control.call(XS_INTRODUCE, "3\0001\0001\0"s);
    EXPECT_EQ(control.events(), (Events{"@introduceDomain|i"}));
    control.call(XS_RELEASE, "3\0"s);
    EXPECT_EQ(control.events(), (Events{"@releaseDomain|r"}));
    EXPECT_EQ(one.events(), Events{});
    EXPECT_EQ(control.set_permissions("@releaseDomain", "n0,r1"), kOk);
    EXPECT_EQ(one.set_permissions("@releaseDomain", "b1"), "!EACCES");
    control.call(XS_INTRODUCE, "3\0001\0001\0"s);
    control.call(XS_RELEASE, "3\0"s);
    EXPECT_EQ(one.events(), (Events{"@releaseDomain|r"}));
}

TEST_F(StoreTest, ResetForgetsWatchesAndTransactions)
{
    TestClient one = guest(1);
    one.watch("a", "t");
    std::uint32_t const transaction = one.start();
    one.events();
    EXPECT_EQ(one.call(XS_RESET_WATCHES, "\0"s), kOk);
    one.write("a", "");
    EXPECT_EQ(one.events(), Events{});
    EXPECT_EQ(one.end(transaction), "!ENOENT");
}

TEST_F(StoreTest, AClientsEndTakesItsWatchesAway)
{
    TestClient other = socket();
    other.watch("/a", "t");
    EXPECT_EQ(store.watch_count(), 1U);
    store.disconnect(other.client());
    EXPECT_EQ(store.watch_count(), 0U);
    EXPECT_EQ(control.write("/a", ""), kOk);
}

class SlowReaderTest : public StoreTest
{
protected:
    static StoreSettings small()
    {
        StoreSettings settings;
        settings.guest_output_limit = 400;
        return settings;
    }
    SlowReaderTest() : StoreTest(small()) {}
};

TEST_F(SlowReaderTest, WhoDoesNotReadGetsOneSummaryPerWatch)
{
    TestClient one = guest(1);
    one.watch("a", "1");
    one.watch("b", "2");
    one.events();
    for (int i = 0; i < 1000; ++i)
    {
        control.write("/local/domain/1/a/n" + std::to_string(i), "");
        control.write("/local/domain/1/b/n" + std::to_string(i), "");
    }
    EXPECT_LT(one.client().output.size(), 500U) << "what is queued stays bounded";
    Events const queued = one.events();
    EXPECT_LT(queued.size(), 20U);
    Events summary = one.events();
    std::sort(summary.begin(), summary.end());
    EXPECT_EQ(summary, (Events{"a|1", "b|2"}));
    EXPECT_EQ(one.events(), Events{});
}

} // namespace
} // namespace tessera::store::test
