// SPDX-License-Identifier: MIT
// Tests of the ring transport against a simulated guest and a simulated hypervisor.
#include "store_fixture.hpp"
#include "transport/ring_server.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <random>
#include <sys/eventfd.h>
#include <unistd.h>

namespace tessera::store::test
{
namespace
{

std::string encode(std::uint32_t type, std::string_view payload, std::uint32_t id = 1)
{
    xsd_sockmsg const header{type, id, 0, static_cast<std::uint32_t>(payload.size())};
    return std::string(reinterpret_cast<char const*>(&header), sizeof header) + std::string(payload);
}

// The guest's side of a ring, as a Linux guest uses it.
class GuestSide
{
public:
    explicit GuestSide(xenstore_domain_interface& page) : page_(page) {}

    // Writes as much as fits; returns how much.
    std::size_t send(std::string_view bytes)
    {
        std::size_t const room = XENSTORE_RING_SIZE - (page_.req_prod - page_.req_cons);
        std::size_t const count = std::min(room, bytes.size());
        for (std::size_t i = 0; i < count; ++i)
        {
            page_.req[MASK_XENSTORE_IDX(page_.req_prod + i)] = bytes[i];
        }
        page_.req_prod += static_cast<std::uint32_t>(count);
        return count;
    }

    std::string receive()
    {
        std::string bytes;
        while (page_.rsp_cons != page_.rsp_prod)
        {
            bytes += page_.rsp[MASK_XENSTORE_IDX(page_.rsp_cons++)];
        }
        return bytes;
    }

private:
    xenstore_domain_interface& page_;
};

class RingTest : public StoreTest
{
protected:
    // Lets both sides run until neither makes progress.
    std::string exchange(std::string_view request) { return exchange(connection, request); }
    std::string exchange(RingConnection& with, std::string_view request)
    {
        std::string answer;
        for (int i = 0; i < 1000; ++i)
        {
            request.remove_prefix(guest_side.send(request));
            bool notify = false;
            auto const progress = with.run(4, notify);
            std::string const part = guest_side.receive();
            answer += part;
            if (request.empty() && part.empty() && progress == RingConnection::Progress::Idle)
            {
                return answer;
            }
        }
        ADD_FAILURE() << "no end";
        return answer;
    }

    xenstore_domain_interface page{};
    GuestSide guest_side{page};
    RingConnection connection{store, *store.domain(1)->client, &page};
};

TEST_F(RingTest, AnswersARequest)
{
    EXPECT_EQ(exchange(encode(XS_WRITE, "a\0value"s)), encode(XS_WRITE, kOk));
    EXPECT_EQ(exchange(encode(XS_READ, "a\0"s)), encode(XS_READ, "value"));
    EXPECT_EQ(page.server_features, 3U);
}

TEST_F(RingTest, TakesRequestsInPieces)
{
    std::string const request = encode(XS_WRITE, "a\0value"s);
    for (std::size_t cut = 1; cut < request.size(); ++cut)
    {
        EXPECT_EQ(exchange(request.substr(0, cut)), "");
        EXPECT_EQ(page.req_cons, page.req_prod) << "what stays in the ring would never be followed by an event";
        EXPECT_EQ(exchange(request.substr(cut)), encode(XS_WRITE, kOk)) << cut;
    }
}

TEST_F(RingTest, MessagesLargerThanTheRing)
{
    std::string const value(2000, 'x');
    EXPECT_EQ(exchange(encode(XS_WRITE, "a\0"s + value)), encode(XS_WRITE, kOk));
    EXPECT_EQ(exchange(encode(XS_READ, "a\0"s)), encode(XS_READ, value));
}

TEST_F(RingTest, IndicesWrapAround)
{
    page.req_cons = page.req_prod = 0xfffffff0;
    page.rsp_cons = page.rsp_prod = 0xfffffff8;
    RingConnection old_ring(store, *store.domain(1)->client, &page);
    for (int i = 0; i < 100; ++i)
    {
        std::string const value(static_cast<std::size_t>(i) * 7 + 1, 'v');
        EXPECT_EQ(exchange(old_ring, encode(XS_WRITE, "a\0"s + value)), encode(XS_WRITE, kOk));
        EXPECT_EQ(exchange(old_ring, encode(XS_READ, "a\0"s)), encode(XS_READ, value));
    }
}

TEST_F(RingTest, AGuestThatDoesNotReadIsNotServed)
{
    guest(1).write("a", std::string(900, 'x'));
    std::string requests;
    for (int i = 0; i < 20; ++i)
    {
        requests += encode(XS_READ, "a\0"s);
    }
    ASSERT_EQ(guest_side.send(requests), requests.size());
    bool notify = false;
    for (int i = 0; i < 50; ++i)
    {
        connection.run(16, notify);
    }
    EXPECT_LE(connection.client().output.size(), 1000U);
    EXPECT_LT(page.req_prod - page.req_cons, requests.size()) << "some were taken";
    EXPECT_GT(page.req_prod - page.req_cons, 0U) << "not all";
}

TEST_F(RingTest, ImpossibleIndicesBreakThisRingOnly)
{
    page.req_prod = page.req_cons + XENSTORE_RING_SIZE + 1;
    bool notify = false;
    connection.run(4, notify);
    EXPECT_TRUE(connection.broken());
    EXPECT_TRUE(notify);
    EXPECT_EQ(page.error, static_cast<std::uint32_t>(XENSTORE_ERROR_RINGIDX));
    page.req_prod = page.req_cons;
    EXPECT_EQ(exchange(encode(XS_READ, "/\0"s)), "") << "ignored until it reconnects";
    EXPECT_EQ(control.write("/others", "work"), kOk);
}

TEST_F(RingTest, OversizedMessagesBreakTheProtocol)
{
    xsd_sockmsg const header{XS_WRITE, 1, 0, kPayloadMax + 1};
    guest_side.send({reinterpret_cast<char const*>(&header), sizeof header});
    bool notify = false;
    connection.run(4, notify);
    EXPECT_EQ(page.error, static_cast<std::uint32_t>(XENSTORE_ERROR_PROTO));
}

TEST_F(RingTest, ReconnectionStartsAfresh)
{
    TestClient one = guest(1);
    one.watch("a", "t");
    one.events();
    page.rsp_prod = page.rsp_cons + 5000;
    bool notify = false;
    connection.run(4, notify);
    ASSERT_TRUE(connection.broken());
    page.connection = XENSTORE_RECONNECT;
    connection.run(4, notify);
    EXPECT_EQ(page.connection, static_cast<std::uint32_t>(XENSTORE_CONNECTED));
    EXPECT_EQ(page.error, 0U);
    EXPECT_EQ(store.watch_count(), 0U);
    EXPECT_EQ(exchange(encode(XS_WRITE, "a\0v"s)), encode(XS_WRITE, kOk));
}

// Remembers what a ring recorded, the way a journal does.
struct RecordingLedger final : RingLedger
{
    int ring_attached(std::uint16_t, RingPosition const& position) override
    {
        known.position = position;
        return 0;
    }
    void ring_request(std::uint16_t, std::uint32_t, Request const&) override {}
    void ring_request_done() override {}
    void ring_output(std::uint16_t, RingPosition const& position, std::string_view bytes) override
    {
        known.output = {position, std::string(bytes), true};
    }
    void ring_input(std::uint16_t, RingPosition const&, std::string_view) override {}
    void ring_position(std::uint16_t, RingPosition const& position) override { known.position = position; }
    RecoveredRing known;
};

// The first daemon commits a request and ends before its reply; the second one ends right after it has recovered, before
// the reply is in the ring; the third must still send it, once.
TEST_F(RingTest, AReplySurvivesTwoDaemonsThatEndBeforeSendingIt)
{
    page.req_prod = page.req_cons = 40;
    RecordingLedger ledger;
    ledger.known.position = {0, page.rsp_prod};
    ledger.known.has_request = true;
    ledger.known.request_consumer = 40;
    ledger.known.type = XS_WRITE;
    ledger.known.request_id = 7;
    Client& client = *store.domain(1)->client;
    {
        RingConnection second(store, client, &page, &ledger);
        ASSERT_TRUE(second.recover(ledger.known));
        client.output.clear();
    }
    RingConnection third(store, client, &page, &ledger);
    ASSERT_TRUE(third.recover(ledger.known));
    EXPECT_EQ(exchange(third, ""), encode(XS_WRITE, kOk, 7));
    EXPECT_EQ(exchange(third, ""), "");
}

// A hostile guest: random bytes and random indices must never harm the store or other clients.
TEST_F(RingTest, GarbageHarmsNobody)
{
    std::mt19937 random(7);
    control.write("/kept", "safe");
    for (int round = 0; round < 20000; ++round)
    {
        auto* const bytes = reinterpret_cast<unsigned char*>(&page);
        switch (random() % 4)
        {
        case 0: bytes[random() % sizeof page] = static_cast<unsigned char>(random()); break;
        case 1: page.req_prod = page.req_cons + static_cast<std::uint32_t>(random() % 1100); break;
        case 2:
        {
            std::string request = encode(random() % 24, "a\0b\0c\0"s, random());
            request[random() % request.size()] = static_cast<char>(random());
            guest_side.send(request);
            break;
        }
        default: page.connection = XENSTORE_RECONNECT; break;
        }
        bool notify = false;
        connection.run(8, notify);
        page.rsp_cons = page.rsp_prod;
    }
    EXPECT_EQ(control.read("/kept"), "safe");
    EXPECT_TRUE(control.call(XS_CONTROL, "check\0"s).starts_with("OK"));
}

// Domains, rings and event channels in ordinary memory.
class FakeHypervisor final : public Hypervisor
{
public:
    xenstore_domain_interface* map_ring(std::uint16_t domain, std::uint64_t) override
    {
        if (refuse_mapping)
        {
            errno = EACCES;
            return nullptr;
        }
        ++mapped;
        return &pages[domain];
    }
    void unmap_ring(xenstore_domain_interface*) override { --mapped; }
    int bind(std::uint16_t domain, std::uint32_t) override
    {
        if (refuse_binding)
        {
            errno = ENOSPC;
            return -1;
        }
        port_of[domain] = next_port;
        return next_port++;
    }
    void unbind(int) override {}
    void notify(int port) override { ++notified[port]; }
    [[nodiscard]] int event_descriptor() const override { return events; }
    void take_events(std::vector<int>& ports) override
    {
        eventfd_t value = 0;
        ::eventfd_read(events, &value);
        ports.insert(ports.end(), pending.begin(), pending.end());
        pending.clear();
    }
    [[nodiscard]] int domain_end_port() const override { return 1; }
    bool list_domains(std::vector<DomainState>& out) override
    {
        out = states;
        return true;
    }
    [[nodiscard]] std::uint32_t control_domain_port() const override { return 0; }

    void fire(int port)
    {
        pending.push_back(port);
        ::eventfd_write(events, 1);
    }

    std::map<std::uint16_t, xenstore_domain_interface> pages;
    std::map<std::uint16_t, int> port_of;
    std::map<int, int> notified;
    std::vector<int> pending;
    std::vector<DomainState> states;
    int events = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int next_port = 10;
    int mapped = 0;
    bool refuse_mapping = false;
    bool refuse_binding = false;
};

class RingServerTest : public ::testing::Test
{
protected:
    RingServerTest() { store.set_domain_host(&server); }
    ~RingServerTest() override { store.set_domain_host(nullptr); }

    void introduce(int domain)
    {
        EXPECT_EQ(control.call(XS_INTRODUCE, std::to_string(domain) + "\0001\0001\0"s), kOk);
        control.make_directory("/local/domain/" + std::to_string(domain));
        control.set_permissions("/local/domain/" + std::to_string(domain), "n" + std::to_string(domain));
    }
    void settle()
    {
        for (int i = 0; i < 100; ++i)
        {
            loop.run_once(0);
            server.run_ready();
            while (Client* const client = store.take_dirty())
            {
                if (!client->socket)
                {
                    server.flush(*client);
                }
            }
            if (!server.has_ready() && hypervisor.pending.empty())
            {
                return;
            }
        }
    }

    FakeHypervisor hypervisor;
    EventLoop loop;
    Store store;
    RingServer server{loop, store, hypervisor};
    TestClient control{store, store.connect_socket()};
};

TEST_F(RingServerTest, EventsReachTheRightGuest)
{
    introduce(1);
    introduce(2);
    settle();
    GuestSide one(hypervisor.pages[1]);
    GuestSide two(hypervisor.pages[2]);
    one.send(encode(XS_WATCH, "a\0t\0"s));
    hypervisor.fire(hypervisor.port_of[1]);
    settle();
    EXPECT_EQ(one.receive(), encode(XS_WATCH, kOk) + encode(XS_WATCH_EVENT, "a\0t\0"s, 0));
    int const before = hypervisor.notified[hypervisor.port_of[1]];
    control.write("/local/domain/1/a", "x");
    settle();
    EXPECT_EQ(one.receive(), encode(XS_WATCH_EVENT, "a\0t\0"s, 0));
    EXPECT_GT(hypervisor.notified[hypervisor.port_of[1]], before);
    EXPECT_EQ(two.receive(), "");
}

TEST_F(RingServerTest, FloodingGuestLeavesOthersTheirTurn)
{
    introduce(1);
    introduce(2);
    settle();
    GuestSide flooder(hypervisor.pages[1]);
    GuestSide quiet(hypervisor.pages[2]);
    std::string const flood = encode(XS_READ, "\0"s);
    while (flooder.send(flood) == flood.size())
    {
    }
    quiet.send(encode(XS_GET_DOMAIN_PATH, "2\0"s));
    hypervisor.fire(hypervisor.port_of[1]);
    hypervisor.fire(hypervisor.port_of[2]);
    loop.run_once(0);
    server.run_ready();
    EXPECT_EQ(quiet.receive(), encode(XS_GET_DOMAIN_PATH, "/local/domain/2\0"s)) << "answered within the first round";
    EXPECT_TRUE(server.has_ready()) << "the flooder is not done yet";
}

TEST_F(RingServerTest, FailedIntroductionLeavesNothing)
{
    hypervisor.refuse_mapping = true;
    EXPECT_EQ(control.call(XS_INTRODUCE, "1\0001\0001\0"s), "!EACCES");
    hypervisor.refuse_mapping = false;
    hypervisor.refuse_binding = true;
    EXPECT_EQ(control.call(XS_INTRODUCE, "1\0001\0001\0"s), "!ENOSPC");
    EXPECT_EQ(hypervisor.mapped, 0);
    EXPECT_EQ(control.call(XS_IS_DOMAIN_INTRODUCED, "1\0"s), "F\0"s);
    EXPECT_EQ(store.clients().size(), 1U);
}

TEST_F(RingServerTest, EndsOfDomainsAreNoticed)
{
    introduce(1);
    introduce(2);
    introduce(3);
    settle();
    control.watch("@releaseDomain", "r");
    control.events();
    hypervisor.states = {{0, false, false}, {1, false, true}, {2, true, true}};
    hypervisor.fire(1);
    settle();
    EXPECT_EQ(control.events(), (Events{"@releaseDomain|r"}));
    EXPECT_NE(store.domain(1), nullptr) << "shut down, not gone";
    EXPECT_EQ(store.domain(2), nullptr) << "dying";
    EXPECT_EQ(store.domain(3), nullptr) << "no longer listed";
    EXPECT_EQ(hypervisor.mapped, 1);
    EXPECT_EQ(server.size(), 1U);
}

TEST_F(RingServerTest, ADomainThatEndsInItsTurnIsForgotten)
{
    introduce(1);
    settle();
    hypervisor.fire(hypervisor.port_of[1]);
    loop.run_once(0);
    ASSERT_TRUE(server.has_ready());
    EXPECT_EQ(control.call(XS_RELEASE, "1\0"s), kOk);
    settle();
    EXPECT_EQ(hypervisor.mapped, 0);
    EXPECT_FALSE(server.has_ready());
}

} // namespace
} // namespace tessera::store::test
