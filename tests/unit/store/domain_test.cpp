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

// Found by the model: the change was applied with the books of the time before, and the right outlived the domain.
TEST_F(StoreTest, ATransactionGivesNoRightsToADomainThatEndedMeanwhile)
{
    control.write("/x", "");
    std::uint32_t const id = control.start();
    EXPECT_EQ(control.set_permissions("/x", "n7", id), kOk);
    control.call(XS_INTRODUCE, "7\0001\0001\0"s);
    control.call(XS_RELEASE, "7\0"s);
    EXPECT_EQ(control.end(id), "!EAGAIN");
    EXPECT_EQ(control.call(XS_GET_PERMS, "/x\0"s), "n0\0"s);
    EXPECT_EQ(control.call(XS_CONTROL, "check\0"s), kOk);
    std::uint32_t const again = control.start();
    control.set_permissions("/x", "n7", again);
    EXPECT_EQ(control.end(again), kOk) << "rights may be given before a domain is introduced";
}

TEST_F(StoreTest, ADeadDomainHearsNoSpecialWatchesAnyMore)
{
    EXPECT_EQ(control.set_permissions("@releaseDomain", "n0,r1"), kOk);
    control.call(XS_RELEASE, "1\0"s);
    EXPECT_EQ(control.call(XS_GET_PERMS, "@releaseDomain\0"s), "n0\0"s) << "the next domain 1 is another one";
}

// Found by the model: nobody's account had the root any more.
TEST_F(StoreTest, TheRootOfADeadDomainBelongsToDomainZero)
{
    EXPECT_EQ(control.set_permissions("/", "n1"), kOk);
    control.call(XS_RELEASE, "1\0"s);
    EXPECT_EQ(control.call(XS_GET_PERMS, "/\0"s), "n0\0"s);
    EXPECT_EQ(control.call(XS_CONTROL, "check\0"s), kOk);
}

// Found by the model: which of two nested nodes went first, and so what was reported, was left to a hash table.
TEST_F(StoreTest, NestedNodesOfADeadDomainGoWithTheUppermost)
{
    for (std::string const path : {"/x", "/x-y", "/x/y", "/x/y/z"})
    {
        control.write(path, "");
        control.set_permissions(path, "n1");
    }
    control.watch("/", "t");
    control.events();
    store.domains_ended({1}, {});
    EXPECT_EQ(control.events(), (Events{"/local/domain/1|t", "/x|t", "/x-y|t"}));
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
