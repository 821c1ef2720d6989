// SPDX-License-Identifier: MIT
// Tests of introducing, ending and recovering domains.
#include "store_fixture.hpp"

namespace tessera::store::test
{
namespace
{

TEST_F(StoreTest, IntroductionIsChecked)
{
    for (std::string const& bad :
         {"x\0001\0001\0"s, "5\0001\0"s, "5\0001\0000\0"s, "0\0001\0001\0"s, "32752\0001\0001\0"s, "-1\0001\0001\0"s})
    {
        EXPECT_EQ(control.call(XS_INTRODUCE, bad), "!EINVAL") << bad;
    }
    EXPECT_EQ(control.call(XS_IS_DOMAIN_INTRODUCED, "5\0"s), "F\0"s);
    EXPECT_EQ(control.call(XS_INTRODUCE, "5\0001\0001\0"s), kOk);
    EXPECT_EQ(control.call(XS_INTRODUCE, "5\0001\0002\0"s), kOk) << "a second time changes the event channel";
    EXPECT_EQ(control.call(XS_IS_DOMAIN_INTRODUCED, "5\0"s), "T\0"s);
    EXPECT_EQ(control.call(XS_GET_DOMAIN_PATH, "5\0"s), "/local/domain/5\0"s);
    EXPECT_EQ(control.call(XS_RELEASE, "5\0"s), kOk);
    EXPECT_EQ(control.call(XS_RELEASE, "5\0"s), "!ENOENT");
    EXPECT_EQ(control.call(XS_RESUME, "5\0"s), "!ENOENT");
}

TEST_F(StoreTest, ADeadDomainLeavesNothingBehind)
{
    control.write("/drop", "");
    control.set_permissions("/drop", "b0");
    control.write("/given", "");
    control.set_permissions("/given", "n0,b1");
    {
        TestClient one = guest(1);
        one.write("data/a/b", "x");
        one.write("/drop/one/deep", "x");
        one.watch("data", "t");
        one.start();
    }
    guest(2).write("/drop/two", "x");
    control.write("/local/domain/1/kept", "x");
    control.set_permissions("/local/domain/1", "n0,r1");
    control.set_permissions("/local/domain/1/kept", "n0");
    EXPECT_EQ(control.call(XS_RELEASE, "1\0"s), kOk);
    EXPECT_EQ(control.read("/local/domain/1/data"), "!ENOENT");
    EXPECT_EQ(control.read("/local/domain/1/kept"), "x") << "what others own stays";
    EXPECT_EQ(control.directory("/drop"), "two\0"s);
    EXPECT_EQ(control.call(XS_GET_PERMS, "/given\0"s), "n0\0"s);
    EXPECT_EQ(store.watch_count(), 0U);
    EXPECT_EQ(store.accounts().find(1), nullptr);
    EXPECT_TRUE(control.call(XS_CONTROL, "check\0"s).starts_with("OK"));
    control.call(XS_INTRODUCE, "1\0001\0001\0"s);
    EXPECT_EQ(guest(1).write("/given", "y"), "!EACCES") << "the next domain 1 is another one";
}

TEST_F(StoreTest, EndsAreAnnouncedOncePerReport)
{
    control.watch("@releaseDomain", "r");
    control.events();
    store.domains_ended({}, {1, 2});
    EXPECT_EQ(control.events(), (Events{"@releaseDomain|r"}));
    store.domains_ended({}, {1, 2});
    EXPECT_EQ(control.events(), Events{}) << "nothing new";
    EXPECT_EQ(control.call(XS_RESUME, "1\0"s), kOk);
    store.domains_ended({2}, {1});
    EXPECT_EQ(control.events(), (Events{"@releaseDomain|r"}));
    EXPECT_EQ(store.domain(2), nullptr);
    store.domains_ended({2, 77}, {});
    EXPECT_EQ(control.events(), Events{});
}

TEST_F(StoreTest, TransactionsOfAnEarlierDaemonAskForAnotherTry)
{
    Client& client = store.restore_domain(9, 1, 1, false);
    TestClient nine(store, client);
    control.write("/local/domain/9", "");
    control.set_permissions("/local/domain/9", "n9");
    EXPECT_EQ(nine.write("a", "1", 1234), "!ENOENT") << "no daemon gave out that number";
    store.restore_transaction_numbers(65536);
    EXPECT_EQ(nine.start(), 65536U) << "earlier numbers may still be in use";
    EXPECT_EQ(nine.write("a", "1", 1234), kOk);
    EXPECT_EQ(nine.read("a", 1234), "1");
    EXPECT_EQ(nine.end(1234), "!EAGAIN");
    EXPECT_EQ(nine.read("a"), "!ENOENT");
    EXPECT_EQ(guest(1).end(1234), "!ENOENT") << "only those who were connected before";
    for (std::uint32_t id = 1; id <= 20; ++id)
    {
        nine.read("a", id);
    }
    EXPECT_EQ(nine.client().transactions.size(), store.quotas().transactions) << "inventing numbers is limited, too";
}

} // namespace
} // namespace tessera::store::test
