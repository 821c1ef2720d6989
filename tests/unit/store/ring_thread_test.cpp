// SPDX-License-Identifier: MIT
// Runs a guest in a thread of its own against the ring, so that the thread sanitizer sees both sides of the shared page.
#include "store_fixture.hpp"
#include "transport/ring_connection.hpp"

#include <atomic>
#include <cstring>
#include <semaphore>
#include <thread>

namespace tessera::store::test
{
namespace
{

// What stands for the event channels. A ring that is already pending is not counted again.
class Bell
{
public:
    void ring()
    {
        if (!pending_.exchange(true))
        {
            semaphore_.release();
        }
    }
    void wait()
    {
        semaphore_.acquire();
        pending_ = false;
    }

private:
    std::atomic<bool> pending_ = false;
    std::binary_semaphore semaphore_{0};
};

class ThreadedGuest
{
public:
    ThreadedGuest(xenstore_domain_interface& page, Bell& store, Bell& own) : page_(page), store_(store), own_(own) {}

    // Sends a request and returns its reply's payload; events in between are counted.
    std::string call(std::uint32_t type, std::string_view payload)
    {
        xsd_sockmsg header{type, ++request_, 0, static_cast<std::uint32_t>(payload.size())};
        send(std::string(reinterpret_cast<char const*>(&header), sizeof header) + std::string(payload));
        for (;;)
        {
            std::memcpy(&header, receive(sizeof header).data(), sizeof header);
            std::string body = receive(header.len);
            if (header.type != XS_WATCH_EVENT)
            {
                return header.req_id == request_ ? body : "reply to another request";
            }
            ++events;
        }
    }

    int events = 0;

private:
    static std::uint32_t load(std::uint32_t& word) { return std::atomic_ref(word).load(std::memory_order_acquire); }

    void send(std::string_view bytes)
    {
        while (!bytes.empty())
        {
            std::uint32_t const producer = page_.req_prod;
            std::uint32_t const room = XENSTORE_RING_SIZE - (producer - load(page_.req_cons));
            auto const count = std::min<std::uint32_t>(room, static_cast<std::uint32_t>(bytes.size()));
            for (std::uint32_t i = 0; i < count; ++i)
            {
                page_.req[MASK_XENSTORE_IDX(producer + i)] = bytes[i];
            }
            std::atomic_ref(page_.req_prod).store(producer + count, std::memory_order_release);
            bytes.remove_prefix(count);
            store_.ring();
            if (count == 0)
            {
                own_.wait();
            }
        }
    }
    std::string receive(std::size_t size)
    {
        std::string bytes;
        while (bytes.size() < size)
        {
            std::uint32_t const consumer = page_.rsp_cons;
            auto const there = std::min<std::size_t>(load(page_.rsp_prod) - consumer, size - bytes.size());
            for (std::uint32_t i = 0; i < there; ++i)
            {
                bytes += page_.rsp[MASK_XENSTORE_IDX(consumer + i)];
            }
            std::atomic_ref(page_.rsp_cons)
                .store(consumer + static_cast<std::uint32_t>(there), std::memory_order_release);
            if (there == 0)
            {
                own_.wait();
            }
            else
            {
                store_.ring();
            }
        }
        return bytes;
    }

    xenstore_domain_interface& page_;
    Bell& store_;
    Bell& own_;
    std::uint32_t request_ = 0;
};

TEST_F(StoreTest, AGuestInAnotherThreadSharesNothingButTheRing)
{
    constexpr int kRounds = 400;
    xenstore_domain_interface page{};
    RingConnection connection(store, *store.domain(1)->client, &page);
    Bell store_bell;
    Bell guest_bell;
    std::atomic<bool> done = false;
    int wrong = 0;
    int events = 0;
    std::thread thread([&] {
        ThreadedGuest guest(page, store_bell, guest_bell);
        wrong += guest.call(XS_WATCH, "a\0t\0"s) == kOk ? 0 : 1;
        for (int i = 0; i < kRounds; ++i)
        {
            std::string const value(static_cast<std::size_t>(i * 37 % 1900), static_cast<char>('a' + i % 26));
            wrong += guest.call(XS_WRITE, "a\0"s + value) == kOk ? 0 : 1;
            wrong += guest.call(XS_READ, "a\0"s) == value ? 0 : 1;
        }
        events = guest.events;
        done = true;
        store_bell.ring();
    });
    while (!done)
    {
        store_bell.wait();
        bool notify = false;
        while (connection.run(4, notify) == RingConnection::Progress::More)
        {
        }
        if (notify)
        {
            guest_bell.ring();
        }
    }
    thread.join();
    EXPECT_EQ(wrong, 0);
    EXPECT_EQ(events, kRounds + 1);
}

} // namespace
} // namespace tessera::store::test
