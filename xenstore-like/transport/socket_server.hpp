// SPDX-License-Identifier: MIT
// Serves local clients on a Unix stream socket: one system call to wait, one to receive, one to send, for a whole
// batch of requests.
#pragma once

#include "service/store.hpp"
#include "transport/event_loop.hpp"

#include <memory>
#include <string>
#include <unordered_map>

namespace tessera::store
{

class SocketServer;

class SocketConnection final : public Pollable
{
public:
    SocketConnection(SocketServer& server, FileDescriptor socket, Client& client);

    void on_ready(std::uint32_t events) override;

    // Sends what is queued; closes the connection when the peer has gone.
    void flush();

    [[nodiscard]] Client& client() { return client_; }
    [[nodiscard]] int descriptor() const { return socket_.get(); }
    [[nodiscard]] std::string const& unread_input() const { return input_; }
    void restore_input(std::string_view bytes) { input_ = bytes; }

    // Carries out complete requests that are waiting in the connection's own buffer.
    void resume_input();

private:
    bool receive();
    bool process(std::string_view bytes);
    bool send_pending();
    void update_interest();

    SocketServer& server_;
    FileDescriptor socket_;
    Client& client_;
    std::string input_; // an incomplete request, or requests put off because the peer does not read
    bool wants_output_ = false;
    bool wants_input_ = true;
};

class SocketServer final : public Pollable
{
public:
    // Takes over a listening socket.
    SocketServer(EventLoop& loop, Store& store, FileDescriptor listener);
    ~SocketServer() override;

    // Creates the socket at `path` with mode 0600, replacing a socket that nobody listens on.
    // Throws std::runtime_error with the cause, also when another daemon is listening there.
    static FileDescriptor listen_at(std::string const& path);

    void on_ready(std::uint32_t events) override;

    // Takes over a connected socket of an earlier daemon.
    SocketConnection& adopt(FileDescriptor socket);

    void close(SocketConnection& connection);

    [[nodiscard]] int descriptor() const { return listener_.get(); }
    [[nodiscard]] std::unordered_map<int, std::unique_ptr<SocketConnection>> const& connections() const
    {
        return connections_;
    }

    // Requests that had to be refused because no descriptor was left, and other failures to accept.
    [[nodiscard]] std::uint64_t refused() const { return refused_; }

private:
    friend class SocketConnection;

    static constexpr std::size_t kReceiveSize = std::size_t{16} * 1024;
    static constexpr std::size_t kOutputHighWater = std::size_t{256} * 1024;

    EventLoop& loop_;
    Store& store_;
    FileDescriptor listener_;
    FileDescriptor spare_; // given up for a moment to turn a client away when descriptors run out
    std::unordered_map<int, std::unique_ptr<SocketConnection>> connections_;
    std::unique_ptr<char[]> buffer_;
    std::uint64_t refused_ = 0;
};

} // namespace tessera::store
