// SPDX-License-Identifier: MIT
// Implements the Unix socket transport.
#include "transport/socket_server.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace tessera::store
{

namespace
{

sockaddr_un address_of(std::string const& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
    {
        throw std::runtime_error("the socket path " + path + " is longer than " +
                                 std::to_string(sizeof address.sun_path - 1) + " bytes");
    }
    path.copy(address.sun_path, path.size());
    return address;
}

} // namespace

SocketConnection::SocketConnection(SocketServer& server, FileDescriptor socket, Client& client)
    : server_(server), socket_(std::move(socket)), client_(client)
{
    client_.transport = this;
}

void SocketConnection::on_ready(std::uint32_t events)
{
    bool alive = true;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && wants_input_)
    {
        alive = receive();
    }
    if (alive)
    {
        flush();
    }
    else
    {
        server_.close(*this);
    }
}

// Takes one batch of bytes. False when the peer has gone or breaks the protocol.
bool SocketConnection::receive()
{
    char* const buffer = server_.buffer_.get();
    std::size_t const kept = input_.size();
    input_.copy(buffer, kept);
    ssize_t const got = ::recv(socket_.get(), buffer + kept, SocketServer::kReceiveSize, MSG_DONTWAIT);
    if (got <= 0)
    {
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    }
    return process({buffer, kept + static_cast<std::size_t>(got)});
}

// Carries out the complete requests in `bytes`, which are not those of `input_`, and keeps the rest.
bool SocketConnection::process(std::string_view bytes)
{
    bool alive = true;
    while (client_.output.size() < SocketServer::kOutputHighWater)
    {
        Frame const frame = next_frame(bytes);
        if (frame.status != FrameStatus::Complete)
        {
            alive = frame.status == FrameStatus::Incomplete;
            break;
        }
        server_.store_.handle(client_, frame.request);
        bytes.remove_prefix(frame.size);
    }
    if (!bytes.empty())
    {
        input_.assign(bytes);
    }
    else if (!input_.empty())
    {
        std::string().swap(input_);
    }
    return alive;
}

void SocketConnection::resume_input()
{
    std::string const waiting = std::exchange(input_, {});
    if (!process(waiting))
    {
        server_.close(*this);
        return;
    }
    flush();
}

bool SocketConnection::send_pending()
{
    auto& output = client_.output;
    while (!output.empty())
    {
        std::string_view const bytes = output.pending();
        ssize_t const sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0)
        {
            return errno == EAGAIN || errno == EINTR;
        }
        output.consume(static_cast<std::size_t>(sent));
        if (static_cast<std::size_t>(sent) < bytes.size())
        {
            return true;
        }
        if (output.empty())
        {
            server_.store_.output_drained(client_);
        }
    }
    return true;
}

void SocketConnection::flush()
{
    bool alive = send_pending();
    // Requests may wait here because the peer was not reading: go on with them as soon as it has read enough.
    while (alive && !input_.empty() && client_.output.size() < SocketServer::kOutputHighWater / 2 &&
           next_frame(input_).status == FrameStatus::Complete)
    {
        std::string const waiting = std::exchange(input_, {});
        alive = process(waiting) && send_pending();
    }
    if (!alive)
    {
        server_.close(*this);
        return;
    }
    update_interest();
}

void SocketConnection::update_interest()
{
    bool const output = !client_.output.empty();
    bool const input = client_.output.size() < SocketServer::kOutputHighWater;
    if (output != wants_output_ || input != wants_input_)
    {
        wants_output_ = output;
        wants_input_ = input;
        server_.loop_.change(socket_.get(), (input ? EPOLLIN : 0U) | (output ? EPOLLOUT : 0U), *this);
    }
}

SocketServer::SocketServer(EventLoop& loop, Store& store, FileDescriptor listener)
    : loop_(loop), store_(store), listener_(std::move(listener)), spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)),
      buffer_(std::make_unique_for_overwrite<char[]>(kReceiveSize * 2 + kHeaderSize + kPayloadMax))
{
    loop_.add(listener_.get(), EPOLLIN, *this);
}

SocketServer::~SocketServer()
{
    loop_.remove(listener_.get(), *this);
    while (!connections_.empty())
    {
        close(*connections_.begin()->second);
    }
}

FileDescriptor SocketServer::listen_at(std::string const& path)
{
    sockaddr_un const address = address_of(path);
    auto const* const generic = reinterpret_cast<sockaddr const*>(&address);
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.get() < 0)
    {
        throw std::runtime_error(std::string("cannot make a socket: ") + std::strerror(errno));
    }
    struct stat status{};
    if (::lstat(path.c_str(), &status) == 0)
    {
        if (!S_ISSOCK(status.st_mode))
        {
            throw std::runtime_error(path + " exists and is not a socket");
        }
        FileDescriptor const probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        if (probe.get() >= 0 && ::connect(probe.get(), generic, sizeof address) == 0)
        {
            throw std::runtime_error("another store daemon is listening on " + path);
        }
        ::unlink(path.c_str());
    }
    mode_t const old_mask = ::umask(0177);
    int const bound = ::bind(socket.get(), generic, sizeof address);
    int const bind_error = errno;
    ::umask(old_mask);
    if (bound != 0 || ::listen(socket.get(), SOMAXCONN) != 0)
    {
        throw std::runtime_error("cannot listen on " + path + ": " + std::strerror(bound != 0 ? bind_error : errno));
    }
    return socket;
}

void SocketServer::on_ready(std::uint32_t)
{
    constexpr int kAcceptBatch = 64;
    for (int i = 0; i < kAcceptBatch; ++i)
    {
        FileDescriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!socket.valid())
        {
            if (errno != EMFILE && errno != ENFILE)
            {
                return;
            }
            // Without a free descriptor the waiting client would keep the listener ready for ever.
            spare_ = FileDescriptor();
            FileDescriptor const turned_away(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
            ++refused_;
            spare_ = FileDescriptor(::open("/dev/null", O_RDONLY | O_CLOEXEC));
            return;
        }
        adopt(std::move(socket));
    }
}

SocketConnection& SocketServer::adopt(FileDescriptor socket)
{
    int const fd = socket.get();
    Client& client = store_.connect_socket();
    auto connection = std::make_unique<SocketConnection>(*this, std::move(socket), client);
    SocketConnection& result = *connection;
    connections_[fd] = std::move(connection);
    loop_.add(fd, EPOLLIN, result);
    return result;
}

void SocketServer::close(SocketConnection& connection)
{
    int const fd = connection.descriptor();
    loop_.remove(fd, connection);
    store_.disconnect(connection.client());
    connections_.erase(fd);
}

} // namespace tessera::store
