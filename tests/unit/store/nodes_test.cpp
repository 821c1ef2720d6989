// SPDX-License-Identifier: MIT
// Tests of the requests on nodes, their permissions and their quotas.
#include "store_fixture.hpp"

#include <algorithm>

namespace tessera::store::test
{
namespace
{

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
    for (std::string const& bad :
         {"//"s, "/a/"s, "/a//b"s, "/a/b/"s, "/a b"s, "/a/\x80"s, "/a/b:c"s, "/new.node"s, "a//b"s, "b/"s, "@x"s, ""s,
          "/a/b/c\n"s, "/a/*"s, "/"s + std::string(kAbsolutePathMax, 'a'), std::string(kRelativePathMax + 1, 'a')})
    {
        for (std::uint32_t const id : {0U, transaction})
        {
            EXPECT_EQ(control.read(bad, id), "!EINVAL") << bad;
            EXPECT_EQ(control.directory(bad, id), "!EINVAL") << bad;
            EXPECT_EQ(control.write(bad, "x", id), "!EINVAL") << bad;
            EXPECT_EQ(control.make_directory(bad, id), "!EINVAL") << bad;
            EXPECT_EQ(control.remove(bad, id), "!EINVAL") << bad;
            EXPECT_EQ(control.set_permissions(bad, "n1", id), "!EINVAL") << bad;
            EXPECT_EQ(control.call(XS_GET_PERMS, bad + "\0"s, id), "!EINVAL") << bad;
            EXPECT_EQ(control.call(XS_DIRECTORY_PART, bad + "\0000\0"s, id), "!EINVAL") << bad;
        }
        if (bad != "@x")
        {
            EXPECT_EQ(control.watch(bad, "t"), "!EINVAL") << bad;
        }
        EXPECT_EQ(one.write(bad, "x"), "!EINVAL") << bad;
    }
    EXPECT_EQ(control.end(transaction), kOk);
}

TEST_F(StoreTest, LongDirectoriesAreReadInParts)
{
    std::string expected;
    for (int i = 1000; i < 2500; ++i)
    {
        control.write("/big/" + std::to_string(i), "");
        expected += std::to_string(i) + "\0"s;
    }
    EXPECT_EQ(control.directory("/big"), "!E2BIG");
    std::string names;
    std::string generation;
    for (;;)
    {
        std::string const part = control.call(XS_DIRECTORY_PART, "/big\0"s + std::to_string(names.size()) + "\0"s);
        ASSERT_LE(part.size(), kPayloadMax);
        std::string const number = part.substr(0, part.find('\0'));
        EXPECT_TRUE(generation.empty() || generation == number);
        generation = number;
        names += part.substr(number.size() + 1);
        if (names.size() >= 2 && names.ends_with("\0\0"s))
        {
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

// What xenstore-control prints, byte by byte as the stock daemon has it where that has it, too.
TEST_F(StoreTest, QuotasAreShownAndSetLikeTheStockDaemons)
{
    EXPECT_EQ(control.call(XS_CONTROL, "check\0"s), "OK\0"s);
    EXPECT_EQ(control.call(XS_CONTROL, "quota\0"s),
              "Quota settings:\n"
              "nodes            :     1000 Nodes per domain\n"
              "watches          :      128 Watches per domain\n"
              "transactions     :       10 Transactions per domain\n"
              "outstanding      :       20 Outstanding requests per domain\n"
              "transaction-nodes:     1024 Max. number of accessed nodes per transaction\n"
              "memory           :  2621440 Total memory per domain (error level)\n"
              "node-size        :     2048 Max. size of a node\n"
              "path-max         :     2048 Max. length of a node path\n"
              "path-depth       :       64 Max. number of components of a node path\n"
              "permissions      :        5 Max. number of permissions per node\n\0"s);
    EXPECT_EQ(control.call(XS_CONTROL, "quota-soft\0"s),
              "Quota settings:\nmemory           :  2097152 Total memory per domain (warning level)\n\0"s);
    guest(1).write("a", "12345678");
    guest(1).watch("a", "t");
    std::string const usage = control.call(XS_CONTROL, "quota\0001\0"s);
    EXPECT_TRUE(usage.starts_with("Domain 1:\nnodes           :        2\nwatches         :        1\n"
                                  "transactions    :        0\nmemory          :      "))
        << usage;
    EXPECT_TRUE(
        control.call(XS_CONTROL, "quota\0max\0"s).starts_with("Max. used by any guest:\nnodes           :        2\n"));
    for (std::string const& bad :
         {"quota\0set\0bogus\0001\0"s, "quota\0set\0nodes\0x\0"s, "quota\0set\0nodes\0-1\0"s, "quota\00077\0"s,
          "quota\0set\0nodes\0"s, "quota-soft\0set\0nodes\0001\0"s, "quota-soft\0001\0"s,
          "quota\0set\0outstanding\0000\0"s, "quota\0set\0nodes\0002147483648\0"s})
    {
        EXPECT_EQ(control.call(XS_CONTROL, bad), "!EINVAL") << bad;
    }
    EXPECT_EQ(control.call(XS_CONTROL, "quota-soft\0set\0memory\0001\0"s), "OK\0"s);
    EXPECT_EQ(store.quotas().soft_memory, 1U);
}

struct RecordingObserver final : Observer
{
    void request_begins(Client const& client, Request const& request) override
    {
        seen.push_back(std::to_string(client.domain) + " asks " + std::string(operation_name(request.operation)));
    }
    void message_queued(Client const& client, std::uint32_t type, std::string_view first,
                        std::string_view second) override
    {
        std::string text = std::string(first) + std::string(second);
        std::replace(text.begin(), text.end(), '\0', ',');
        seen.push_back(std::to_string(client.domain) + " hears " + std::string(operation_name(type)) + " " + text);
    }
    void client_gone(Client const& client) override { seen.push_back(std::to_string(client.domain) + " goes"); }
    void domain_event(DomainEvent event, std::uint16_t domain) override { events.emplace_back(event, domain); }
    std::vector<std::string> seen;
    std::vector<std::pair<DomainEvent, std::uint16_t>> events;
};

TEST_F(StoreTest, TheObserverHearsOfRequestsOnDemandAndOfEveryQuotaOnce)
{
    RecordingObserver observer;
    store.set_observer(&observer);
    control.call(XS_CONTROL, "quota\0set\0nodes\0001\0"s);
    EXPECT_TRUE(observer.seen.empty());
    store.set_trace(true);
    TestClient one = guest(1);
    one.write("a", "");
    one.write("b", "");
    control.read("/");
    store.set_trace(false);
    control.read("/");
    EXPECT_EQ(observer.seen, (std::vector<std::string>{"1 asks write", "1 hears error ENOSPC,", "1 asks write",
                                                       "1 hears error ENOSPC,", "0 asks read", "0 hears read "}));
    control.call(XS_INTRODUCE, "7\0001\0001\0"s);
    control.call(XS_RELEASE, "7\0"s);
    EXPECT_EQ(observer.events,
              (std::vector<std::pair<DomainEvent, std::uint16_t>>{
                  {DomainEvent::QuotaExceeded, 1}, {DomainEvent::Introduced, 7}, {DomainEvent::Released, 7}}));
    store.set_observer(nullptr);
}

// In the order of each client's queue: the writer's own event comes before its reply, as it does on the wire.
TEST_F(StoreTest, TheObserverHearsOfEventsAndOfTheEndOfClients)
{
    RecordingObserver observer;
    store.set_observer(&observer);
    TestClient one = guest(1);
    one.watch("data", "t");
    one.events();
    control.watch("/local/domain/1", "c");
    control.events();
    store.set_trace(true);
    one.write("data", "x");
    store.domains_ended({1}, {});
    store.set_trace(false);
    std::vector<std::string> const expected = {
        "1 asks write",
        "0 hears watch_event /local/domain/1/data,c,",
        "1 hears watch_event data,t,",
        "1 hears write OK,",
        "1 goes",
        "0 hears watch_event /local/domain/1,c,",
    };
    EXPECT_EQ(observer.seen, expected);
    store.domains_ended({}, {2});
    EXPECT_EQ(observer.events, (std::vector<std::pair<DomainEvent, std::uint16_t>>{{DomainEvent::Released, 1},
                                                                                   {DomainEvent::ShutDown, 2}}));
    store.set_observer(nullptr);
}

class QuotaTest : public StoreTest
{
protected:
    static StoreSettings small()
    {
        StoreSettings settings;
        settings.quotas = {.nodes = 10,
                           .watches = 3,
                           .transactions = 2,
                           .transaction_nodes = 8,
                           .memory = 3000,
                           .value_size = 100,
                           .permissions = 2,
                           .path_length = 60,
                           .path_depth = 8};
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

// Each transaction alone fits; together they must not.
TEST_F(QuotaTest, NodesOfParallelTransactionsCountTogether)
{
    std::uint32_t const first = one.start();
    std::uint32_t const second = one.start();
    EXPECT_EQ(one.write("a/b/c/d/e", "", first), kOk);
    EXPECT_EQ(one.write("f/g/h/i/j", "", second), kOk);
    EXPECT_EQ(one.end(first), kOk);
    EXPECT_EQ(one.end(second), "!ENOSPC");
    EXPECT_EQ(one.read("f"), "!ENOENT");
    EXPECT_TRUE(control.call(XS_CONTROL, "check\0"s).starts_with("OK"));
}

// A guest that writes one node again and again inside a transaction must not make the daemon grow without end.
TEST_F(QuotaTest, WhatATransactionRemembersCounts)
{
    std::uint32_t const transaction = one.start();
    std::string last = kOk;
    int steps = 0;
    for (; steps < 1000 && last == kOk; ++steps)
    {
        last = one.write("a", std::string(90, static_cast<char>('a' + steps % 2)), transaction);
    }
    EXPECT_EQ(last, "!ENOSPC");
    EXPECT_LT(steps, 30);
    EXPECT_GT(store.accounts().find(1)->transaction_bytes, 0);
    EXPECT_EQ(one.end(transaction, false), kOk);
    EXPECT_EQ(store.accounts().find(1)->transaction_bytes, 0);
    EXPECT_EQ(one.write("a", "x"), kOk);
}

TEST_F(QuotaTest, WatchesTransactionsValuesPermissionsAndPaths)
{
    for (std::string const token : {"1", "2", "3"})
    {
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
    for (int i = 0; i < 20 && last != "!ENOSPC"; ++i)
    {
        last = one.read("n" + std::to_string(i), transaction);
    }
    EXPECT_EQ(last, "!ENOSPC");
}

TEST_F(QuotaTest, Memory)
{
    for (int i = 0; i < 8; ++i)
    {
        EXPECT_EQ(one.write("v" + std::to_string(i), std::string(100, 'x')), kOk);
    }
    for (int i = 0; i < 3; ++i)
    {
        one.watch("w" + std::string(40, 'x'), "token" + std::to_string(i));
    }
    control.call(XS_CONTROL, "quota\0set\0memory\0001000\0"s);
    EXPECT_EQ(one.write("v9", "x"), "!ENOSPC");
    EXPECT_EQ(one.write("v0", "shorter"), kOk) << "giving memory back is always allowed";
}

} // namespace
} // namespace tessera::store::test
