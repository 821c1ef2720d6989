// SPDX-License-Identifier: MIT
// Tests of the requests on nodes, their permissions and their quotas.
#include "store_fixture.hpp"

namespace tessera::store::test {
namespace {

TEST_F(StoreTest, WriteCreatesMissingParents)
{
    EXPECT_EQ(control.write("/a/b/c", "value"), kOk);
    EXPECT_EQ(control.read("/a/b/c"), "value");
    EXPECT_EQ(control.read("/a/b"), "");
    EXPECT_EQ(control.directory("/a"), "b\0"s);
    EXPECT_EQ(control.call(XS_GET_PERMS, "/a/b\0"s), "n0\0"s);
}

TEST_F(StoreTest, ValuesHoldAnyBytes)
{
    std::string const value = "\0\xff\n\0"s;
    EXPECT_EQ(control.write("/a", value), kOk);
    EXPECT_EQ(control.read("/a"), value);
}

TEST_F(StoreTest, MakeDirectoryLeavesAnExistingNodeAlone)
{
    control.write("/a", "kept");
    EXPECT_EQ(control.make_directory("/a"), kOk);
    EXPECT_EQ(control.read("/a"), "kept");
}

TEST_F(StoreTest, RemoveNeedsTheParentOnly)
{
    control.write("/a/b", "");
    EXPECT_EQ(control.remove("/a/b"), kOk);
    EXPECT_EQ(control.remove("/a/b"), kOk);
    EXPECT_EQ(control.remove("/a/x/y"), "!ENOENT");
    EXPECT_EQ(control.remove("/"), "!EINVAL");
    EXPECT_EQ(control.read("/a/b"), "!ENOENT");
}

TEST_F(StoreTest, MalformedRequestsGetEinval)
{
    EXPECT_EQ(control.call(XS_READ, "/a"), "!EINVAL") << "no NUL";
    EXPECT_EQ(control.call(XS_READ, ""), "!EINVAL");
    EXPECT_EQ(control.call(XS_WRITE, "/a"), "!EINVAL");
    EXPECT_EQ(control.call(XS_DIRECTORY_PART, "/\0x\0"s), "!EINVAL");
    EXPECT_EQ(control.call(XS_SET_PERMS, "/\0"s), "!EINVAL");
    EXPECT_EQ(control.call(XS_SET_PERMS, "/\0q1\0"s), "!EINVAL");
    EXPECT_EQ(control.call(XS_TRANSACTION_END, "X\0"s), "!EINVAL");
    EXPECT_EQ(control.call(77, "/\0"s), "!ENOSYS");
    EXPECT_EQ(control.call(20, "/\0"s), "!ENOSYS") << "the number that XS_RESTRICT once had";
    EXPECT_EQ(control.call(XS_WATCH_EVENT, "/\0"s), "!ENOSYS");
    EXPECT_EQ(control.read("/a", 99), "!ENOENT") << "no such transaction";
}

TEST_F(StoreTest, ForbiddenBytesAndShapesOfPathsGetEinval)
{
    control.write("/a/b", "");
    std::uint32_t const transaction = control.start();
    TestClient one = guest(1);
    for (std::string const& bad : {"//"s, "/a/"s, "/a//b"s, "/a/b/"s, "/a b"s, "/a/\x80"s, "/a/b:c"s, "/new.node"s, "a//b"s, "b/"s,
                                   "@x"s, ""s, "/a/b/c\n"s, "/a/*"s, "/"s + std::string(kAbsolutePathMax, 'a'),
                                   std::string(kRelativePathMax + 1, 'a')}) {
        for (std::uint32_t const id : {0U, transaction}) {
            EXPECT_EQ(control.read(bad, id), "!EINVAL") << bad;
            EXPECT_EQ(control.directory(bad, id), "!EINVAL") << bad;
            EXPECT_EQ(control.write(bad, "x", id), "!EINVAL") << bad;
            EXPECT_EQ(control.make_directory(bad, id), "!EINVAL") << bad;
            EXPECT_EQ(control.remove(bad, id), "!EINVAL") << bad;
            EXPECT_EQ(control.set_permissions(bad, "n1", id), "!EINVAL") << bad;
            EXPECT_EQ(control.call(XS_GET_PERMS, bad + "\0"s, id), "!EINVAL") << bad;
            EXPECT_EQ(control.call(XS_DIRECTORY_PART, bad + "\0000\0"s, id), "!EINVAL") << bad;
        }
        if (bad != "@x") {
            EXPECT_EQ(control.watch(bad, "t"), "!EINVAL") << bad;
        }
        EXPECT_EQ(one.write(bad, "x"), "!EINVAL") << bad;
    }
    EXPECT_EQ(control.end(transaction), kOk);
}

TEST_F(StoreTest, LongDirectoriesAreReadInParts)
{
    std::string expected;
    for (int i = 1000; i < 2500; ++i) {
        control.write("/big/" + std::to_string(i), "");
        expected += std::to_string(i) + "\0"s;
    }
    EXPECT_EQ(control.directory("/big"), "!E2BIG");
    std::string names;
    std::string generation;
    for (;;) {
        std::string const part = control.call(XS_DIRECTORY_PART, "/big\0"s + std::to_string(names.size()) + "\0"s);
        ASSERT_LE(part.size(), kPayloadMax);
        std::string const number = part.substr(0, part.find('\0'));
        EXPECT_TRUE(generation.empty() || generation == number);
        generation = number;
        names += part.substr(number.size() + 1);
        if (names.size() >= 2 && names.ends_with("\0\0"s)) {
            break;
        }
    }
    EXPECT_EQ(names, expected + "\0"s);
    control.write("/big/new", "");
    std::string const part = control.call(XS_DIRECTORY_PART, "/big\0000\0"s);
    EXPECT_NE(part.substr(0, part.find('\0')), generation);
}

TEST_F(StoreTest, GuestsSeeOnlyWhatTheyMay)
{
    control.write("/secret", "x");
    control.write("/shared", "y");
    control.set_permissions("/shared", "n0,r1");
    TestClient one = guest(1);
    EXPECT_EQ(one.read("/secret"), "!EACCES");
    EXPECT_EQ(one.read("/absent"), "!EACCES") << "not even whether it exists";
    EXPECT_EQ(one.read("/shared"), "y");
    EXPECT_EQ(one.write("/shared", "z"), "!EACCES");
    EXPECT_EQ(one.read("/shared/absent"), "!ENOENT");
    EXPECT_EQ(guest(2).read("/shared"), "!EACCES");
    EXPECT_EQ(one.call(XS_INTRODUCE, "3\0001\0001\0"s), "!EACCES");
    EXPECT_EQ(one.call(XS_CONTROL, "check\0"s), "!EACCES");
}

TEST_F(StoreTest, GuestsOwnWhatTheyCreate)
{
    TestClient one = guest(1);
    EXPECT_EQ(one.write("data/x", "1"), kOk);
    EXPECT_EQ(control.call(XS_GET_PERMS, "/local/domain/1/data/x\0"s), "n1\0"s);
    control.write("/drop", "");
    control.set_permissions("/drop", "b0");
    EXPECT_EQ(one.write("/drop/mine", "1"), kOk);
    EXPECT_EQ(control.call(XS_GET_PERMS, "/drop/mine\0"s), "b1\0"s);
    EXPECT_EQ(one.set_permissions("/drop/mine", "n1,r2"), kOk);
    EXPECT_EQ(one.set_permissions("/drop/mine", "n2"), "!EPERM") << "owners may not give nodes away";
    EXPECT_EQ(guest(2).set_permissions("/drop/mine", "n2"), "!EACCES");
}

TEST_F(StoreTest, TargetSharesTheRightsOfItsDomain)
{
    guest(1).write("data", "1");
    TestClient stub = guest(2);
    EXPECT_EQ(stub.read("/local/domain/1/data"), "!EACCES");
    EXPECT_EQ(control.call(XS_SET_TARGET, "2\0001\0"s), kOk);
    EXPECT_EQ(stub.read("/local/domain/1/data"), "1");
    EXPECT_EQ(control.call(XS_RELEASE, "1\0"s), kOk);
    EXPECT_FALSE(stub.client().target.has_value());
}

TEST_F(StoreTest, ControlKnowsItsCommands)
{
    EXPECT_TRUE(control.call(XS_CONTROL, "check\0"s).starts_with("OK"));
    EXPECT_NE(control.call(XS_CONTROL, "quota\0"s).find("watches"), std::string::npos);
    EXPECT_NE(control.call(XS_CONTROL, "memreport\0"s).find("node slabs"), std::string::npos);
    EXPECT_EQ(control.call(XS_CONTROL, "nonsense\0"s), "!EINVAL");
    EXPECT_EQ(control.call(XS_CONTROL, ""), "!EINVAL");
    EXPECT_EQ(control.call(XS_CONTROL, "quota\0set\0nodes\0003\0"s), "OK\0"s);
    TestClient one = guest(1);
    EXPECT_EQ(one.write("a", ""), kOk);
    EXPECT_EQ(one.write("b", ""), kOk);
    EXPECT_EQ(one.write("c", ""), "!ENOSPC");
}

class QuotaTest : public StoreTest {
protected:
    static StoreSettings small()
    {
        StoreSettings settings;
        settings.quotas = {.nodes = 10, .watches = 3, .transactions = 2, .transaction_nodes = 8, .memory = 3000,
                           .value_size = 100, .permissions = 2, .path_length = 60, .path_depth = 8};
        return settings;
    }
    QuotaTest() : StoreTest(small()) {}
    TestClient one = guest(1);
};

TEST_F(QuotaTest, Nodes)
{
    EXPECT_EQ(one.write("a/b/c", ""), kOk);
    EXPECT_EQ(one.write("d/e/f/g", ""), kOk);
    EXPECT_EQ(one.write("h/i/j", ""), "!ENOSPC") << "1 + 3 + 4 + 3 nodes";
    EXPECT_EQ(one.read("h"), "!ENOENT") << "a refused request has no effect";
    EXPECT_EQ(one.remove("a"), kOk);
    EXPECT_EQ(one.write("h/i/j", ""), kOk);
    EXPECT_EQ(control.write("/local/domain/1/x/y/z", ""), kOk) << "the control domain has no quota";
}

TEST_F(QuotaTest, NodesInsideATransactionCount)
{
    std::uint32_t const transaction = one.start();
    EXPECT_EQ(one.write("a/b/c/d/e", "", transaction), kOk);
    EXPECT_EQ(one.write("g/h/i/j/k", "", transaction), "!ENOSPC");
    EXPECT_EQ(one.end(transaction), kOk);
    EXPECT_EQ(one.write("g/h/i/j/k", ""), "!ENOSPC");
}

TEST_F(QuotaTest, WatchesTransactionsValuesPermissionsAndPaths)
{
    for (std::string const token : {"1", "2", "3"}) {
        EXPECT_EQ(one.watch("a", token), kOk);
    }
    EXPECT_EQ(one.watch("a", "4"), "!E2BIG");
    std::uint32_t const first = one.start();
    one.start();
    EXPECT_EQ(one.call(XS_TRANSACTION_START, "\0"s), "!ENOSPC");
    EXPECT_EQ(one.end(first, false), kOk);
    EXPECT_EQ(one.call(XS_TRANSACTION_START, "\0"s).front(), '3');
    EXPECT_EQ(one.write("v", std::string(100, 'x')), kOk);
    EXPECT_EQ(one.write("v", std::string(101, 'x')), "!ENOSPC");
    EXPECT_EQ(one.set_permissions("v", "n1,r0,r2"), "!ENOSPC");
    EXPECT_EQ(one.write(std::string(61, 'x'), ""), "!ENOSPC");
    EXPECT_EQ(one.write("1/2/3/4/5/6", ""), "!ENOSPC") << "three components come in front";
    EXPECT_EQ(one.write("1/2/3/4", ""), kOk);
}

TEST_F(QuotaTest, NodesTouchedByOneTransaction)
{
    std::uint32_t const transaction = one.start();
    std::string last = kOk;
    for (int i = 0; i < 20 && last != "!ENOSPC"; ++i) {
        last = one.read("n" + std::to_string(i), transaction);
    }
    EXPECT_EQ(last, "!ENOSPC");
}

TEST_F(QuotaTest, Memory)
{
    for (int i = 0; i < 8; ++i) {
        EXPECT_EQ(one.write("v" + std::to_string(i), std::string(100, 'x')), kOk);
    }
    for (int i = 0; i < 3; ++i) {
        one.watch("w" + std::string(40, 'x'), "token" + std::to_string(i));
    }
    control.call(XS_CONTROL, "quota\0set\0memory\0001000\0"s);
    EXPECT_EQ(one.write("v9", "x"), "!ENOSPC");
    EXPECT_EQ(one.write("v0", "shorter"), kOk) << "giving memory back is always allowed";
}

}  // namespace
}  // namespace tessera::store::test
