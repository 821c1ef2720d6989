// SPDX-License-Identifier: MIT
// The serving side of the wire protocol, just as much of it as the pipeline uses.
#include "fake_store.hpp"

#include <cstring>
#include <sys/socket.h>
#include <xen/io/xs_wire.h>

namespace vm::test
{
namespace
{

bool receive(int fd, void* data, std::size_t size)
{
    return size == 0 || ::recv(fd, data, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

} // namespace

FakeStore::FakeStore()
{
    int ends[2] = {-1, -1};
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    client_.reset(ends[0]);
    server_.reset(ends[1]);
    thread_ = std::thread([this] { serve(); });
}

FakeStore::~FakeStore()
{
    client_.reset();
    if (thread_.joinable())
    {
        thread_.join();
    }
}

std::vector<FakeRequest> const& FakeStore::requests()
{
    thread_.join();
    return requests_;
}

void FakeStore::serve()
{
    xsd_sockmsg header = {};
    while (receive(server_.get(), &header, sizeof header))
    {
        FakeRequest request{header.type, header.tx_id, std::string(header.len, '\0')};
        if (!receive(server_.get(), request.payload.data(), header.len))
        {
            return;
        }
        requests_.push_back(request);
        if (!answer(request, header.req_id))
        {
            return;
        }
    }
}

bool FakeStore::answer(FakeRequest const& request, std::uint32_t number)
{
    std::string const path = request.payload.c_str();
    std::string const ok("OK\0", 3);
    if (request.type == XS_TRANSACTION_START)
    {
        pending_ = nodes;
        reply(request, number, request.type, std::string("7\0", 2));
    }
    else if (request.type == XS_TRANSACTION_END)
    {
        if (path == "T" && conflicts > 0)
        {
            --conflicts;
            reply(request, number, XS_ERROR, std::string("EAGAIN\0", 7));
            return true;
        }
        if (path == "T")
        {
            nodes = pending_;
        }
        reply(request, number, request.type, ok);
    }
    else if (request.type == XS_WRITE && path == forbidden)
    {
        reply(request, number, XS_ERROR, std::string("ENOSPC\0", 7));
    }
    else if (request.type == XS_RM && !(request.transaction ? pending_ : nodes).erase(path))
    {
        reply(request, number, XS_ERROR, std::string("ENOENT\0", 7));
    }
    else
    {
        if (request.type == XS_WRITE)
        {
            (request.transaction ? pending_ : nodes)[path] = request.payload.substr(path.size() + 1);
        }
        reply(request, number, request.type, ok);
    }
    return true;
}

void FakeStore::reply(FakeRequest const& request, std::uint32_t number, std::uint32_t type, std::string const& payload)
{
    xsd_sockmsg const header{type, confused ? number + 1000 : number, request.transaction,
                             static_cast<std::uint32_t>(payload.size())};
    std::string bytes(reinterpret_cast<char const*>(&header), sizeof header);
    bytes += payload;
    ::send(server_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
}

} // namespace vm::test
