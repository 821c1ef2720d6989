// SPDX-License-Identifier: MIT
// Speaks the store's public wire protocol with many requests in flight, which libxenstore cannot do.
#pragma once

#include "base/unique_fd.hpp"
#include "store/batch.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace vm
{

/// The bytes of one request; throws Error(Usage) if it exceeds what the protocol carries.
std::string encode_store_request(StoreOperation const& operation, std::uint32_t request, std::uint32_t transaction);

/// A connection of its own to the store daemon's socket. Not for two threads at once.
class StorePipeline
{
public:
    /// Throws Error(Unreachable) if no daemon listens.
    explicit StorePipeline(std::string const& socket_path);

    /// Takes over a connected stream socket; for tests.
    explicit StorePipeline(UniqueFd socket) : socket_(std::move(socket)) {}

    /// Between two calls it becomes readable only when the daemon has hung up.
    int descriptor() const { return socket_.get(); }

    /// All or nothing; tried again for as long as others' changes get in the way.
    void run_transaction(StoreBatch const& batch);

    /// One after the other without a transaction; throws at the first that failed, after all were tried.
    void run(StoreBatch const& batch);

private:
    struct Reply
    {
        std::uint32_t type = 0;
        std::string payload;
    };

    void send(std::string const& bytes);
    void receive(void* data, std::size_t size);
    Reply receive_reply(std::uint32_t request);
    Reply exchange(std::uint32_t type, std::uint32_t transaction, std::string const& payload);
    std::string run_operations(StoreBatch const& batch, std::uint32_t transaction, int& error_number);

    UniqueFd socket_;
    std::uint32_t next_request_ = 1;
};

} // namespace vm
