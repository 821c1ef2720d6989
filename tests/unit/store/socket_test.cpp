// SPDX-License-Identifier: MIT
// Tests of the Unix socket transport with real sockets.
#include "store_fixture.hpp"
#include "transport/socket_server.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sys/socket.h>
#include <sys/un.h>
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

class SocketTest : public ::testing::Test
{
protected:
    SocketTest() : directory(make_directory()), path(directory + "/socket")
    {
        server = std::make_unique<SocketServer>(loop, store, SocketServer::listen_at(path));
    }
    ~SocketTest() override
    {
        server.reset();
        std::filesystem::remove_all(directory);
    }

    static std::string make_directory()
    {
        std::string name = std::filesystem::temp_directory_path() / "store-test-XXXXXX";
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        return name;
    }

    FileDescriptor connect()
    {
        FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address), 0);
        settle();
        return socket;
    }

    void settle()
    {
        for (int i = 0; i < 20; ++i)
        {
            loop.run_once(0);
            while (Client* const client = store.take_dirty())
            {
                static_cast<SocketConnection*>(client->transport)->flush();
            }
        }
    }

    std::string receive(FileDescriptor const& socket)
    {
        std::string all;
        char part[65536];
        for (;;)
        {
            ssize_t const got = ::recv(socket.get(), part, sizeof part, MSG_DONTWAIT);
            if (got <= 0)
            {
                return all;
            }
            all.append(part, static_cast<std::size_t>(got));
            settle();
        }
    }

    void send(FileDescriptor const& socket, std::string_view bytes)
    {
        EXPECT_EQ(::send(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
        settle();
    }

    bool closed(FileDescriptor const& socket)
    {
        char byte;
        return ::recv(socket.get(), &byte, 1, MSG_DONTWAIT) == 0;
    }

    EventLoop loop;
    Store store;
    std::string directory;
    std::string path;
    std::unique_ptr<SocketServer> server;
};

TEST_F(SocketTest, RequestsInOneSegmentAndInManyPieces)
{
    FileDescriptor const client = connect();
    send(client, encode(XS_WRITE, "/a\0v"s, 1) + encode(XS_READ, "/a\0"s, 2));
    EXPECT_EQ(receive(client), encode(XS_WRITE, kOk, 1) + encode(XS_READ, "v", 2));
    for (char const byte : encode(XS_READ, "/a\0"s, 3))
    {
        send(client, {&byte, 1});
    }
    EXPECT_EQ(receive(client), encode(XS_READ, "v", 3));
}

TEST_F(SocketTest, EventsReachOtherClients)
{
    FileDescriptor const watcher = connect();
    FileDescriptor const writer = connect();
    send(watcher, encode(XS_WATCH, "/a\0t\0"s));
    receive(watcher);
    send(writer, encode(XS_WRITE, "/a/b\0v"s));
    EXPECT_EQ(receive(watcher), encode(XS_WATCH_EVENT, "/a/b\0t\0"s, 0));
}

TEST_F(SocketTest, OversizedMessageClosesThatClientOnly)
{
    FileDescriptor const bad = connect();
    FileDescriptor const good = connect();
    xsd_sockmsg const header{XS_WRITE, 1, 0, kPayloadMax + 1};
    send(bad, {reinterpret_cast<char const*>(&header), sizeof header});
    EXPECT_TRUE(closed(bad));
    send(good, encode(XS_WRITE, "/a\0v"s));
    EXPECT_EQ(receive(good), encode(XS_WRITE, kOk));
    EXPECT_EQ(server->connections().size(), 1U);
}

TEST_F(SocketTest, ClosingForgetsTheClient)
{
    {
        FileDescriptor const client = connect();
        send(client, encode(XS_WATCH, "/a\0t\0"s));
        EXPECT_EQ(store.watch_count(), 1U);
    }
    settle();
    EXPECT_EQ(store.watch_count(), 0U);
    EXPECT_TRUE(server->connections().empty());
}

TEST_F(SocketTest, APeerThatNeverReadsStopsBeingServedAndLosesNothing)
{
    FileDescriptor const client = connect();
    send(client, encode(XS_WRITE, "/a\0"s + std::string(4000, 'v')));
    receive(client);
    std::string const request = encode(XS_READ, "/a\0"s);
    std::size_t sent = 0;
    for (int i = 0; i < 20000; ++i)
    {
        if (::send(client.get(), request.data(), request.size(), MSG_DONTWAIT | MSG_NOSIGNAL) !=
            static_cast<ssize_t>(request.size()))
        {
            break;
        }
        ++sent;
        if (i % 16 == 0)
        {
            loop.run_once(0);
        }
    }
    Client const& state = server->connections().begin()->second->client();
    EXPECT_LT(state.output.size(), std::size_t{1024} * 1024) << "queued replies are bounded";
    std::size_t received = 0;
    for (int i = 0; i < 20000 && received < sent * (kHeaderSize + 4000); ++i)
    {
        received += receive(client).size();
        settle();
    }
    EXPECT_EQ(received, sent * (kHeaderSize + 4000));
}

TEST_F(SocketTest, ListeningTwiceIsRefusedAndStaleSocketsAreReplaced)
{
    EXPECT_THROW(SocketServer::listen_at(path), std::runtime_error);
    std::string const stale = directory + "/stale";
    SocketServer::listen_at(stale);
    EXPECT_NO_THROW(SocketServer::listen_at(stale));
    std::string const file = directory + "/file";
    std::ofstream(file) << "precious";
    EXPECT_THROW(SocketServer::listen_at(file), std::runtime_error);
    EXPECT_TRUE(std::filesystem::exists(file));
    EXPECT_THROW(SocketServer::listen_at(directory + "/" + std::string(200, 'x')), std::runtime_error);
    EXPECT_THROW(SocketServer::listen_at(directory + "/no/such/directory"), std::runtime_error);
}

} // namespace
} // namespace tessera::store::test
