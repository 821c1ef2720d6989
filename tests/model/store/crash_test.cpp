// SPDX-License-Identifier: MIT
// Kills a serving process at random instants, hundreds of times, and checks from a guest's side of the ring that no
// request is lost, none is carried out twice, and no half of a transaction is seen.
#include "journal/journal.hpp"
#include "store_fixture.hpp"
#include "transport/ring_connection.hpp"

#include <csignal>
#include <filesystem>
#include <poll.h>
#include <random>
#include <stdexcept>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tessera::store::test
{
namespace
{

// Passes everything on to the journal and kills its process at a chosen step: before or after one of the calls,
// the instants between which a kill makes a difference.
class DyingJournal final : public CommitLog, public RingLedger
{
public:
    DyingJournal(Journal& journal, std::uint32_t steps) : journal_(journal), steps_(steps) {}

    int prepare(std::size_t bytes) override { return journal_.prepare(bytes); }
    void change(ChangeView const& change) override { journal_.change(change); }
    void domain_introduced(std::uint16_t d, std::uint64_t f, std::uint32_t p) override
    {
        journal_.domain_introduced(d, f, p);
    }
    void domain_released(std::uint16_t domain) override { journal_.domain_released(domain); }
    void domain_shutdown(std::uint16_t domain, bool shutdown) override { journal_.domain_shutdown(domain, shutdown); }
    void domain_target(std::uint16_t domain, std::uint16_t target) override { journal_.domain_target(domain, target); }
    void watch_added(Watch const& watch) override { journal_.watch_added(watch); }
    void watch_removed(Watch const& watch) override { journal_.watch_removed(watch); }
    void watches_reset(std::uint16_t domain) override { journal_.watches_reset(domain); }
    void special_permissions(std::string_view name, PermissionList const& list) override
    {
        journal_.special_permissions(name, list);
    }
    void quota(bool soft, std::string_view name, std::uint64_t value) override { journal_.quota(soft, name, value); }
    void transaction_numbers(std::uint32_t end) override { journal_.transaction_numbers(end); }
    void commit() override
    {
        step();
        journal_.commit();
        step();
    }
    int ring_attached(std::uint16_t d, RingPosition const& at) override { return journal_.ring_attached(d, at); }
    void ring_request(std::uint16_t domain, std::uint32_t end, Request const& request) override
    {
        journal_.ring_request(domain, end, request);
        step();
    }
    void ring_request_done() override
    {
        journal_.ring_request_done();
        step();
    }
    void ring_output(std::uint16_t domain, RingPosition const& at, std::string_view bytes) override
    {
        step();
        journal_.ring_output(domain, at, bytes);
        step();
    }
    void ring_input(std::uint16_t domain, RingPosition const& at, std::string_view bytes) override
    {
        step();
        journal_.ring_input(domain, at, bytes);
        step();
    }
    void ring_position(std::uint16_t domain, RingPosition const& at) override
    {
        step();
        journal_.ring_position(domain, at);
        step();
    }

private:
    void step()
    {
        if (--steps_ == 0)
        {
            ::kill(::getpid(), SIGKILL);
        }
    }

    Journal& journal_;
    std::uint32_t steps_;
};

// One side of what stands for the event channel: ringing wakes the other side, waiting sleeps until it rings or ends.
// Both sides look at the ring page again after every wake-up, so rings that are lost with a full buffer do no harm.
class Doorbell
{
public:
    explicit Doorbell(int descriptor) : descriptor_(descriptor) {}
    void ring() const
    {
        [[maybe_unused]] auto const sent = ::send(descriptor_.get(), "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    // False once the other side has ended. A side that waits for ever has lost a message: that is the test's end.
    [[nodiscard]] bool wait(int seconds) const
    {
        char bells[256];
        pollfd ready{descriptor_.get(), POLLIN, 0};
        int const woken = ::poll(&ready, 1, seconds < 0 ? -1 : seconds * 1000);
        if (woken == 0)
        {
            throw std::runtime_error("the ring stands still: a request or a reply was lost");
        }
        return woken > 0 && ::recv(descriptor_.get(), bells, sizeof bells, 0) > 0;
    }

private:
    FileDescriptor descriptor_;
};

// The serving process: one guest, domain 1, on a page that survives it.
class Server final : public DomainHost
{
public:
    Server(std::string const& directory, xenstore_domain_interface* page, std::uint32_t steps, int bell)
        : bell_(bell), journal_(directory), dying_(journal_, steps), page_(page)
    {
        RecoveredRings rings;
        std::size_t const records = journal_.recover(store_, rings);
        if (records == 0)
        {
            PermissionList const owner = {{1, kAccessNone}};
            store_.restore_change({ChangeKind::MakeDirectory, "/local/domain/1", {}, nullptr, 0});
            store_.restore_change({ChangeKind::SetPermissions, "/local/domain/1", {}, &owner, 0});
        }
        journal_.start(store_, rings);
        store_.set_commit_log(&dying_);
        journal_.set_ring_source([this](std::string& out) { encode_ring(1, connection_->state(), out); });
        store_.set_domain_host(this);
        if (Domain const* const domain = store_.domain(1); domain != nullptr)
        {
            connection_ = std::make_unique<RingConnection>(store_, *domain->client, page_, &dying_);
            if (!connection_->recover(rings[1]))
            {
                ::_exit(3);
            }
            store_.fire_all(*domain->client);
        }
        else if (store_.introduce(1, 1, 1) != 0)
        {
            ::_exit(4);
        }
    }

    int attach(Client& client, std::uint64_t, std::uint32_t) override
    {
        connection_ = std::make_unique<RingConnection>(store_, client, page_, &dying_);
        auto& ring = connection_->ring();
        return journal_.ring_attached(1, {ring.request_consumer(), ring.response_producer()});
    }
    void detach(Client&) override {}

    [[noreturn]] void serve()
    {
        bell_.ring();
        for (;;)
        {
            bool notify = false;
            bool busy = connection_->run(16, notify) == RingConnection::Progress::More;
            if (notify)
            {
                bell_.ring();
            }
            busy = journal_.maintain(store_) || busy;
            if (!busy && !bell_.wait(-1))
            {
                ::_exit(5);
            }
        }
    }

private:
    Doorbell bell_;
    Store store_;
    Journal journal_;
    DyingJournal dying_;
    xenstore_domain_interface* page_;
    std::unique_ptr<RingConnection> connection_;
};

class CrashTest : public ::testing::Test
{
protected:
    CrashTest()
    {
        // The state belongs on a tmpfs; on a disk the test would measure the disk.
        std::filesystem::path const memory = "/dev/shm";
        directory = (std::filesystem::is_directory(memory) ? memory : std::filesystem::temp_directory_path()) /
                    "crash-test-XXXXXX";
        EXPECT_NE(::mkdtemp(directory.data()), nullptr);
        page = static_cast<xenstore_domain_interface*>(
            ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
        start();
    }
    ~CrashTest() override
    {
        stop();
        ::munmap(page, 4096);
        std::filesystem::remove_all(directory);
    }

    void start()
    {
        // Every fourth server is killed from outside at any instant, the others at a step of their own.
        bool const from_outside = random() % 4 == 0;
        bells_left = from_outside ? 1 + random() % 60 : 0;
        std::uint32_t const steps = from_outside ? 0 : 1 + static_cast<std::uint32_t>(random() % 120);
        int ends[2];
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        child = ::fork();
        if (child == 0)
        {
            ::close(ends[0]);
            Server(directory, page, steps, ends[1]).serve();
        }
        ::close(ends[1]);
        bell = std::make_unique<Doorbell>(ends[0]);
    }
    void stop()
    {
        int status = 0;
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << "the server ended by itself: " << status;
    }
    void restart()
    {
        stop();
        ++kills;
        start();
    }
    // Tells the server that an index moved. From time to time it is killed a moment later, wherever it is by then.
    void ring()
    {
        bell->ring();
        if (bells_left > 0 && --bells_left == 0)
        {
            for (auto spin = random() % 20000; spin > 0; --spin)
            {
                asm volatile("pause");
            }
            restart();
        }
    }
    // Waits until the server moved an index. When it has died, the next one is started.
    void wait()
    {
        if (!bell->wait(60))
        {
            restart();
        }
    }

    static std::uint32_t load(std::uint32_t& word) { return std::atomic_ref(word).load(); }

    void send(std::string_view bytes)
    {
        while (!bytes.empty())
        {
            std::uint32_t const producer = load(page->req_prod);
            std::uint32_t const room = XENSTORE_RING_SIZE - (producer - load(page->req_cons));
            std::uint32_t const count = std::min<std::uint32_t>(room, static_cast<std::uint32_t>(bytes.size()));
            for (std::uint32_t i = 0; i < count; ++i)
            {
                page->req[MASK_XENSTORE_IDX(producer + i)] = bytes[i];
            }
            std::atomic_ref(page->req_prod).store(producer + count);
            bytes.remove_prefix(count);
            if (count == 0)
            {
                wait();
            }
            else
            {
                ring();
            }
        }
    }
    std::string receive(std::size_t size)
    {
        std::string bytes;
        while (bytes.size() < size)
        {
            std::uint32_t const consumer = load(page->rsp_cons);
            auto const there = std::min<std::size_t>(load(page->rsp_prod) - consumer, size - bytes.size());
            if (there == 0)
            {
                wait();
                continue;
            }
            for (std::uint32_t i = 0; i < there; ++i)
            {
                bytes += page->rsp[MASK_XENSTORE_IDX(consumer + i)];
            }
            std::atomic_ref(page->rsp_cons).store(consumer + static_cast<std::uint32_t>(there));
            ring();
        }
        return bytes;
    }
    std::string call(std::uint32_t type, std::string_view payload, std::uint32_t transaction = 0)
    {
        xsd_sockmsg header{type, ++request, transaction, static_cast<std::uint32_t>(payload.size())};
        send(std::string(reinterpret_cast<char const*>(&header), sizeof header) + std::string(payload));
        for (;;)
        {
            std::memcpy(&header, receive(sizeof header).data(), sizeof header);
            std::string const body = receive(header.len);
            if (header.type == XS_WATCH_EVENT)
            {
                ++events;
                continue;
            }
            EXPECT_EQ(header.req_id, request) << "a reply was lost or repeated";
            return header.type == XS_ERROR ? "!" + std::string(body.c_str()) : body;
        }
    }

    std::string directory;
    xenstore_domain_interface* page = nullptr;
    pid_t child = -1;
    std::mt19937 random{11};
    std::unique_ptr<Doorbell> bell;
    std::size_t bells_left = 0;
    int kills = 0;
    std::uint32_t request = 0;
    std::uint64_t events = 0;
};

TEST_F(CrashTest, TwoHundredKillsLoseNothingAndRepeatNothing)
{
    constexpr int kKills = 220;
    std::string list; // grows by one letter for each acknowledged append, in a transaction with its copy
    ASSERT_EQ(call(XS_WATCH, "list\0t\0"s), kOk);
    ASSERT_EQ(call(XS_WRITE, "list\0"s), kOk);
    ASSERT_EQ(call(XS_WRITE, "copy\0"s), kOk);
    for (int round = 0; kills < kKills; ++round)
    {
        if (list.size() > 1500)
        { // long values pass the ring in pieces, in both directions
            list.clear();
            ASSERT_EQ(call(XS_WRITE, "list\0"s), kOk);
            ASSERT_EQ(call(XS_WRITE, "copy\0"s), kOk);
        }
        std::string const more(1 + random() % 90, static_cast<char>('a' + round % 26));
        for (std::string done = "!EAGAIN"; done == "!EAGAIN";)
        {
            auto const id = static_cast<std::uint32_t>(std::stoul(call(XS_TRANSACTION_START, "\0"s)));
            std::string const seen = call(XS_READ, "list\0"s, id);
            ASSERT_EQ(seen, list) << "round " << round << " after " << kills << " kills";
            ASSERT_EQ(call(XS_WRITE, "list\0"s + seen + more, id), kOk);
            ASSERT_EQ(call(XS_WRITE, "copy\0"s + seen + more, id), kOk);
            done = call(XS_TRANSACTION_END, "T\0"s, id);
            ASSERT_TRUE(done == kOk || done == "!EAGAIN") << done;
        }
        list += more;
        ASSERT_EQ(call(XS_READ, "copy\0"s), list);
        std::string const name = "n" + std::to_string(round % 50);
        ASSERT_EQ(call(XS_WRITE, name + "\0"s + more), kOk);
        ASSERT_EQ(call(XS_READ, name + "\0"s), more);
    }
    EXPECT_GT(events, static_cast<std::uint64_t>(kills)) << "the watch survived";
}

} // namespace
} // namespace tessera::store::test
