// SPDX-License-Identifier: MIT
// Tests of transactions: isolation, conflicts exactly where they are real, and events of commits.
#include "store_fixture.hpp"

namespace tessera::store::test
{
namespace
{

TEST_F(StoreTest, NothingIsSeenBeforeTheCommit)
{
    control.write("/a", "old");
    std::uint32_t const transaction = control.start();
    control.write("/a", "new", transaction);
    control.write("/b", "new", transaction);
    EXPECT_EQ(control.read("/a", transaction), "new");
    EXPECT_EQ(control.read("/a"), "old");
    EXPECT_EQ(control.read("/b"), "!ENOENT");
    EXPECT_EQ(control.end(transaction), kOk);
    EXPECT_EQ(control.read("/a"), "new");
    EXPECT_EQ(control.read("/b"), "new");
    EXPECT_EQ(control.end(transaction), "!ENOENT");
}

TEST_F(StoreTest, AbortLeavesNothing)
{
    std::size_t const nodes = store.nodes().node_count();
    std::uint32_t const transaction = control.start();
    control.write("/a/b/c", "new", transaction);
    EXPECT_EQ(control.end(transaction, false), kOk);
    EXPECT_EQ(control.read("/a"), "!ENOENT");
    EXPECT_EQ(store.nodes().node_count(), nodes);
}

TEST_F(StoreTest, TheSnapshotDoesNotMove)
{
    control.write("/a", "1");
    std::uint32_t const transaction = control.start();
    control.write("/a", "2");
    control.write("/b", "2");
    EXPECT_EQ(control.read("/a", transaction), "1");
    EXPECT_EQ(control.read("/b", transaction), "!ENOENT");
}

// What the transaction does, what another client does meanwhile, and whether that must be a conflict.
struct Race
{
    char const* name;
    void (*inside)(TestClient&, std::uint32_t);
    void (*outside)(TestClient&);
    bool conflict;
};

class RaceTest : public StoreTest, public ::testing::WithParamInterface<Race>
{
};

TEST_P(RaceTest, ConflictsExactlyWhenBothTouchedTheSame)
{
    control.write("/d/x", "1");
    control.write("/d/y", "1");
    TestClient other = socket();
    std::uint32_t const transaction = control.start();
    GetParam().inside(control, transaction);
    control.write("/result", "written", transaction);
    GetParam().outside(other);
    EXPECT_EQ(control.end(transaction), GetParam().conflict ? "!EAGAIN" : kOk);
    EXPECT_EQ(control.read("/result"), GetParam().conflict ? "!ENOENT" : "written");
}

using Client_ = TestClient;
INSTANTIATE_TEST_SUITE_P(
    All, RaceTest,
    ::testing::Values(
        Race{"ReadAndWrite", [](Client_& c, std::uint32_t t) { c.read("/d/x", t); },
             [](Client_& c) { c.write("/d/x", "2"); }, true},
        Race{"ReadAndSameValue", [](Client_& c, std::uint32_t t) { c.read("/d/x", t); },
             [](Client_& c) { c.write("/d/x", "1"); }, false},
        Race{"ReadAndSibling", [](Client_& c, std::uint32_t t) { c.read("/d/x", t); },
             [](Client_& c) { c.write("/d/y", "2"); }, false},
        Race{"ReadAndChildCreated", [](Client_& c, std::uint32_t t) { c.read("/d/x", t); },
             [](Client_& c) { c.write("/d/x/new", "2"); }, false},
        Race{"ReadAndRemove", [](Client_& c, std::uint32_t t) { c.read("/d/x", t); },
             [](Client_& c) { c.remove("/d/x"); }, true},
        Race{"AbsenceAndCreate", [](Client_& c, std::uint32_t t) { c.read("/d/z", t); },
             [](Client_& c) { c.write("/d/z", "2"); }, true},
        Race{"AbsenceAndOtherCreate", [](Client_& c, std::uint32_t t) { c.read("/d/z", t); },
             [](Client_& c) { c.write("/d/w", "2"); }, false},
        Race{"DeepAbsenceAndParentCreated", [](Client_& c, std::uint32_t t) { c.read("/d/z/deep", t); },
             [](Client_& c) { c.write("/d/z", "2"); }, true},
        Race{"ListAndCreate", [](Client_& c, std::uint32_t t) { c.directory("/d", t); },
             [](Client_& c) { c.write("/d/new", "2"); }, true},
        Race{"ListAndRemove", [](Client_& c, std::uint32_t t) { c.directory("/d", t); },
             [](Client_& c) { c.remove("/d/x"); }, true},
        Race{"ListAndValue", [](Client_& c, std::uint32_t t) { c.directory("/d", t); },
             [](Client_& c) { c.write("/d/x", "2"); }, false},
        Race{"ListAndGrandchild", [](Client_& c, std::uint32_t t) { c.directory("/d", t); },
             [](Client_& c) { c.write("/d/x/new", "2"); }, false},
        Race{"PermissionsAndPermissions", [](Client_& c, std::uint32_t t) { c.call(XS_GET_PERMS, "/d/x\0"s, t); },
             [](Client_& c) { c.set_permissions("/d/x", "n1"); }, true},
        Race{"PermissionsAndValue", [](Client_& c, std::uint32_t t) { c.call(XS_GET_PERMS, "/d/x\0"s, t); },
             [](Client_& c) { c.write("/d/x", "2"); }, false},
        Race{"CreationsInOneDirectory", [](Client_& c, std::uint32_t t) { c.write("/d/mine/a/b", "1", t); },
             [](Client_& c) { c.write("/d/yours/a/b", "2"); }, false},
        Race{"WriteIntoRemoved", [](Client_& c, std::uint32_t t) { c.write("/d/x", "2", t); },
             [](Client_& c) { c.remove("/d/x"); }, true},
        Race{"NothingElse", [](Client_&, std::uint32_t) {}, [](Client_& c) { c.write("/d/x", "2"); }, false}),
    [](auto const& info) { return info.param.name; });

TEST_F(StoreTest, AThousandParallelCreationsNeverCollide)
{
    std::vector<std::uint32_t> transactions;
    for (int i = 0; i < 1000; ++i)
    {
        transactions.push_back(control.start());
    }
    for (std::size_t i = 0; i < transactions.size(); ++i)
    {
        std::string const top = "/local/domain/" + std::to_string(100 + i);
        EXPECT_EQ(control.read(top, transactions[i]), "!ENOENT");
        EXPECT_EQ(control.write(top + "/device/vif/0/state", "1", transactions[i]), kOk);
        EXPECT_EQ(control.set_permissions(top, "n5", transactions[i]), kOk);
    }
    for (std::uint32_t const transaction : transactions)
    {
        EXPECT_EQ(control.end(transaction), kOk);
    }
    EXPECT_EQ(control.read("/local/domain/1099/device/vif/0/state"), "1");
    EXPECT_TRUE(control.call(XS_CONTROL, "check\0"s).starts_with("OK"));
}

TEST_F(StoreTest, ACommitReportsEachNodeOnceInOrder)
{
    control.write("/d/old/deep", "1");
    control.watch("/d", "t");
    control.watch("/d/old/deep", "deep");
    control.events();
    std::uint32_t const transaction = control.start();
    control.write("/d/b", "1", transaction);
    control.write("/d/a", "1", transaction);
    control.write("/d/b", "2", transaction);
    control.write("/d/gone", "1", transaction);
    control.remove("/d/gone", transaction);
    control.remove("/d/old", transaction);
    EXPECT_EQ(control.events(), Events{});
    EXPECT_EQ(control.end(transaction), kOk);
    EXPECT_EQ(control.events(), (Events{"/d/b|t", "/d/a|t", "/d/old/deep|deep", "/d/old|t"}));
}

TEST_F(StoreTest, ReplayedCommitsKeepTheBooks)
{
    TestClient one = guest(1);
    std::uint32_t const transaction = one.start();
    one.write("a/b", "1", transaction);
    one.remove("a", transaction);
    one.write("a/c", "12345", transaction);
    control.write("/elsewhere", "moves the tree on");
    EXPECT_EQ(one.end(transaction), kOk);
    EXPECT_EQ(store.accounts().find(1)->nodes, 3);
    EXPECT_TRUE(control.call(XS_CONTROL, "check\0"s).starts_with("OK"));
}

TEST_F(StoreTest, NestedTransactionsAreRefused)
{
    std::uint32_t const transaction = control.start();
    EXPECT_EQ(control.call(XS_TRANSACTION_START, "\0"s, transaction), "!EBUSY");
    EXPECT_EQ(control.end(0), "!ENOENT");
    EXPECT_EQ(control.end(transaction), kOk);
}

} // namespace
} // namespace tessera::store::test
