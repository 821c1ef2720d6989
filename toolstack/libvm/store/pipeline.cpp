// SPDX-License-Identifier: MIT
// Sends a window of requests before reading their replies; the window bounds what can wait in either direction.
#include "store/pipeline.hpp"

#include "base/error.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <xen/io/xs_wire.h>

namespace vm
{
namespace
{

constexpr std::size_t kWindow = 32;
constexpr int kMaxAttempts = 1000;

void append_header(std::string& bytes, std::uint32_t type, std::uint32_t request, std::uint32_t transaction,
                   std::size_t length)
{
    xsd_sockmsg const header{type, request, transaction, static_cast<std::uint32_t>(length)};
    bytes.append(reinterpret_cast<char const*>(&header), sizeof header);
}

std::uint32_t wire_type(StoreOperation::Kind kind)
{
    switch (kind)
    {
    case StoreOperation::Kind::Write: return XS_WRITE;
    case StoreOperation::Kind::MakeDirectory: return XS_MKDIR;
    case StoreOperation::Kind::Remove: return XS_RM;
    case StoreOperation::Kind::Permissions: return XS_SET_PERMS;
    case StoreOperation::Kind::Introduce: return XS_INTRODUCE;
    }
    return XS_INVALID;
}

std::string payload_of(StoreOperation const& operation)
{
    std::string payload = operation.path;
    payload += '\0';
    switch (operation.kind)
    {
    case StoreOperation::Kind::Write: return payload + operation.value;
    case StoreOperation::Kind::Permissions:
        payload += 'n' + std::to_string(operation.permissions.owner) + '\0';
        for (std::uint32_t const reader : operation.permissions.readers)
        {
            payload += 'r' + std::to_string(reader) + '\0';
        }
        return payload;
    case StoreOperation::Kind::Introduce:
        return std::to_string(operation.domain) + '\0' + std::to_string(operation.ring_frame) + '\0' +
               std::to_string(operation.ring_port) + '\0';
    default: return payload;
    }
}

int errno_of_name(std::string const& name)
{
    for (auto const& entry : xsd_errors)
    {
        if (name == entry.errstring)
        {
            return entry.errnum;
        }
    }
    return EIO;
}

[[noreturn]] void fail_operation(std::string const& path, int error_number)
{
    throw system_error("the store refused to change '" + path + "'", error_number,
                       error_number == ENOSPC ? "a quota of the store is used up" : "");
}

} // namespace

std::string encode_store_request(StoreOperation const& operation, std::uint32_t request, std::uint32_t transaction)
{
    std::string const payload = payload_of(operation);
    if (payload.size() > XENSTORE_PAYLOAD_MAX || operation.path.size() >= XENSTORE_ABS_PATH_MAX)
    {
        throw Error(ExitCode::Usage, "the value for '" + operation.path + "' is too long for the store");
    }
    std::string bytes;
    append_header(bytes, wire_type(operation.kind), request, transaction, payload.size());
    return bytes + payload;
}

StorePipeline::StorePipeline(std::string const& socket_path)
{
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof address.sun_path)
    {
        throw Error(ExitCode::Usage, "the store's socket path '" + socket_path + "' is too long");
    }
    std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
    socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket_ || ::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    {
        int const error_number = errno;
        ExitCode const code = error_number == EACCES ? ExitCode::Denied : ExitCode::Unreachable;
        throw Error(code, "the store daemon cannot be reached at '" + socket_path + "': " + std::strerror(error_number),
                    "is tessera-store (or xenstored) running?");
    }
}

void StorePipeline::send(std::string const& bytes)
{
    std::size_t sent = 0;
    while (sent < bytes.size())
    {
        ssize_t const count = ::send(socket_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (count < 0 && errno != EINTR)
        {
            throw Error(ExitCode::Unreachable, std::string("the store daemon hung up: ") + std::strerror(errno));
        }
        sent += count > 0 ? static_cast<std::size_t>(count) : 0;
    }
}

void StorePipeline::receive(void* data, std::size_t size)
{
    auto* cursor = static_cast<char*>(data);
    while (size > 0)
    {
        ssize_t const count = ::recv(socket_.get(), cursor, size, 0);
        if (count == 0 || (count < 0 && errno != EINTR))
        {
            throw Error(ExitCode::Unreachable, "the store daemon hung up");
        }
        if (count > 0)
        {
            cursor += count;
            size -= static_cast<std::size_t>(count);
        }
    }
}

StorePipeline::Reply StorePipeline::receive_reply(std::uint32_t request)
{
    xsd_sockmsg header = {};
    receive(&header, sizeof header);
    if (header.len > XENSTORE_PAYLOAD_MAX || header.req_id != request)
    {
        throw Error(ExitCode::Unreachable, "the store daemon sent an answer that does not fit the request");
    }
    Reply reply{header.type, std::string(header.len, '\0')};
    receive(reply.payload.data(), reply.payload.size());
    while (!reply.payload.empty() && reply.payload.back() == '\0')
    {
        reply.payload.pop_back();
    }
    return reply;
}

StorePipeline::Reply StorePipeline::exchange(std::uint32_t type, std::uint32_t transaction, std::string const& payload)
{
    std::uint32_t const request = next_request_++;
    std::string bytes;
    append_header(bytes, type, request, transaction, payload.size());
    send(bytes + payload);
    return receive_reply(request);
}

/// Returns the path of the first operation that failed ("" if none) and its error.
std::string StorePipeline::run_operations(StoreBatch const& batch, std::uint32_t transaction, int& error_number)
{
    auto const& operations = batch.operations();
    std::string failed;
    error_number = 0;
    for (std::size_t start = 0; start < operations.size(); start += kWindow)
    {
        std::size_t const end = std::min(operations.size(), start + kWindow);
        std::uint32_t const first_request = next_request_;
        std::string bytes;
        for (std::size_t index = start; index < end; ++index)
        {
            bytes += encode_store_request(operations[index], next_request_++, transaction);
        }
        send(bytes);
        for (std::size_t index = start; index < end; ++index)
        {
            Reply const reply = receive_reply(first_request + static_cast<std::uint32_t>(index - start));
            if (reply.type != XS_ERROR || error_number != 0)
            {
                continue;
            }
            int const code = errno_of_name(reply.payload);
            if (code != ENOENT || operations[index].kind != StoreOperation::Kind::Remove)
            {
                error_number = code;
                failed = operations[index].kind == StoreOperation::Kind::Introduce
                             ? "introduction of domain " + std::to_string(operations[index].domain)
                             : operations[index].path;
            }
        }
    }
    return failed;
}

void StorePipeline::run_transaction(StoreBatch const& batch)
{
    std::string const end_abort("F\0", 2);
    std::string const end_commit("T\0", 2);
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt)
    {
        Reply const start = exchange(XS_TRANSACTION_START, 0, std::string(1, '\0'));
        if (start.type == XS_ERROR)
        {
            throw system_error("the store refused a transaction", errno_of_name(start.payload));
        }
        auto const transaction = static_cast<std::uint32_t>(std::strtoul(start.payload.c_str(), nullptr, 10));
        int error_number = 0;
        std::string const failed = run_operations(batch, transaction, error_number);
        if (error_number != 0)
        {
            exchange(XS_TRANSACTION_END, transaction, end_abort);
            fail_operation(failed, error_number);
        }
        Reply const end = exchange(XS_TRANSACTION_END, transaction, end_commit);
        if (end.type != XS_ERROR)
        {
            return;
        }
        int const code = errno_of_name(end.payload);
        if (code != EAGAIN)
        {
            throw system_error("the store refused to commit", code);
        }
    }
    throw Error(ExitCode::Timeout, "the store kept refusing to commit because of other changes");
}

void StorePipeline::run(StoreBatch const& batch)
{
    int error_number = 0;
    std::string const failed = run_operations(batch, 0, error_number);
    if (error_number != 0)
    {
        fail_operation(failed, error_number);
    }
}

} // namespace vm
