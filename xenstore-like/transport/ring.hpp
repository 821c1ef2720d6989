// SPDX-License-Identifier: MIT
// Reads and writes the ring page that a domain shares with the store. The other side may write anything at any
// time: every index is read once, checked, and used from the copy.
#pragma once

#include "wire/protocol.hpp"

#include <atomic>
#include <span>
#include <string>

namespace tessera::store
{

//   page:  req[1024]  domain writes at req_prod, store reads at req_cons
//          rsp[1024]  store writes at rsp_prod, domain reads at rsp_cons
// The indices run freely through 32 bits; their difference is what the ring holds.
class Ring
{
public:
    explicit Ring(xenstore_domain_interface* page) : page_(page) {}

    // Bytes of requests that can be read; -1 if the indices are impossible.
    [[nodiscard]] int readable() const;

    // Free space for replies; -1 if the indices are impossible.
    [[nodiscard]] int writable() const;

    // Copies up to `count` request bytes from the current position without consuming them.
    void peek(std::string& out, std::size_t count) const;

    // Copies `bytes` (at most writable()) behind what the domain has been shown, without showing them.
    void place(std::string_view bytes, std::size_t offset);

    [[nodiscard]] std::uint32_t request_consumer() const { return load(page_->req_cons); }
    [[nodiscard]] std::uint32_t response_producer() const { return load(page_->rsp_prod); }

    // Publishes both positions of the store; what was placed before is visible to the domain after it.
    void publish(std::uint32_t request_consumer, std::uint32_t response_producer);

    [[nodiscard]] bool reconnect_wanted() const { return load(page_->connection) == XENSTORE_RECONNECT; }

    // Empties both directions and tells the domain that it is connected.
    void reset();

    // Announces what this store can do; the page's later fields are ours to write.
    void announce();
    void set_error(std::uint32_t error) { store(page_->error, error); }

private:
    static std::uint32_t load(std::uint32_t& word)
    {
        return std::atomic_ref<std::uint32_t>(word).load(std::memory_order_acquire);
    }
    static void store(std::uint32_t& word, std::uint32_t value)
    {
        std::atomic_ref<std::uint32_t>(word).store(value, std::memory_order_release);
    }

    xenstore_domain_interface* page_;
};

} // namespace tessera::store
