// SPDX-License-Identifier: MIT
// Gives tests clients that speak to a store in memory and read back replies and events.
#pragma once

#include "service/store.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera::store::test
{

using namespace std::string_literals;

// One decoded message from the store.
struct Message
{
    std::uint32_t type = 0;
    std::uint32_t request_id = 0;
    std::uint32_t transaction_id = 0;
    std::string payload;
};

inline std::vector<Message> drain(Client& client)
{
    std::vector<Message> messages;
    while (!client.output.empty())
    {
        std::string_view const pending = client.output.pending();
        Frame const frame = next_frame(pending);
        EXPECT_EQ(frame.status, FrameStatus::Complete);
        messages.push_back({frame.request.operation, frame.request.request_id, frame.request.transaction_id,
                            std::string(frame.request.payload)});
        client.output.consume(frame.size);
    }
    return messages;
}

// A client and the requests that tests send through it. Every call returns the payload of the reply, an error as
// "!ENOENT"; events are collected as "path|token" until taken.
class TestClient
{
public:
    TestClient(Store& store, Client& client) : store_(store), client_(client) {}

    std::string call(std::uint32_t operation, std::string_view payload, std::uint32_t transaction = 0)
    {
        store_.handle(client_, {operation, ++request_, transaction, payload});
        collect();
        if (reply_.type == XS_ERROR)
        {
            return "!" + std::string(reply_.payload.c_str());
        }
        EXPECT_EQ(reply_.type, operation);
        EXPECT_EQ(reply_.request_id, request_);
        EXPECT_EQ(reply_.transaction_id, transaction);
        return reply_.payload;
    }

    std::string read(std::string const& path, std::uint32_t transaction = 0)
    {
        return call(XS_READ, path + "\0"s, transaction);
    }
    std::string write(std::string const& path, std::string const& value, std::uint32_t transaction = 0)
    {
        return call(XS_WRITE, path + "\0"s + value, transaction);
    }
    std::string make_directory(std::string const& path, std::uint32_t transaction = 0)
    {
        return call(XS_MKDIR, path + "\0"s, transaction);
    }
    std::string remove(std::string const& path, std::uint32_t transaction = 0)
    {
        return call(XS_RM, path + "\0"s, transaction);
    }
    std::string directory(std::string const& path, std::uint32_t transaction = 0)
    {
        return call(XS_DIRECTORY, path + "\0"s, transaction);
    }
    std::string set_permissions(std::string const& path, std::string list, std::uint32_t transaction = 0)
    {
        for (char& c : list)
        {
            c = c == ',' ? '\0' : c;
        }
        return call(XS_SET_PERMS, path + "\0"s + list + "\0"s, transaction);
    }
    std::string watch(std::string const& path, std::string const& token)
    {
        return call(XS_WATCH, path + "\0"s + token + "\0"s);
    }
    std::string unwatch(std::string const& path, std::string const& token)
    {
        return call(XS_UNWATCH, path + "\0"s + token + "\0"s);
    }
    std::uint32_t start() { return static_cast<std::uint32_t>(std::stoul(call(XS_TRANSACTION_START, "\0"s))); }
    std::string end(std::uint32_t transaction, bool commit = true)
    {
        return call(XS_TRANSACTION_END, commit ? "T\0"s : "F\0"s, transaction);
    }

    // Events that arrived since the last call, in order.
    std::vector<std::string> events()
    {
        collect();
        return std::exchange(events_, {});
    }

    Client& client() { return client_; }

private:
    void collect()
    {
        for (Message& message : drain(client_))
        {
            if (message.type == XS_WATCH_EVENT)
            {
                std::size_t const end = message.payload.find('\0');
                events_.push_back(message.payload.substr(0, end) + "|" +
                                  message.payload.substr(end + 1, message.payload.size() - end - 2));
            }
            else
            {
                reply_ = std::move(message);
            }
        }
        store_.output_drained(client_);
    }

    Store& store_;
    Client& client_;
    Message reply_;
    std::vector<std::string> events_;
    std::uint32_t request_ = 0;
};

inline std::string const kOk = "OK\0"s;

// A store with the control domain's client and two guests that have their usual directories.
class StoreTest : public ::testing::Test
{
protected:
    StoreTest() : StoreTest(StoreSettings{}) {}
    explicit StoreTest(StoreSettings const& settings) : store(settings)
    {
        for (std::string const domain : {"1", "2"})
        {
            EXPECT_EQ(control.call(XS_INTRODUCE, domain + "\0"s + "100\0"s + "5\0"s), kOk);
            EXPECT_EQ(control.make_directory("/local/domain/" + domain), kOk);
            EXPECT_EQ(control.set_permissions("/local/domain/" + domain, "n" + domain), kOk);
        }
    }

    TestClient guest(std::uint16_t domain) { return {store, *store.domain(domain)->client}; }
    TestClient socket() { return {store, store.connect_socket()}; }

    Store store;
    TestClient control{store, store.connect_socket()};
};

using Events = std::vector<std::string>;

} // namespace tessera::store::test
