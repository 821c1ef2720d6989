// SPDX-License-Identifier: MIT
// Implements access to the shared ring page.
#include "transport/ring.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::store
{

namespace
{

constexpr std::uint32_t kRingSize = XENSTORE_RING_SIZE;

} // namespace

int Ring::readable() const
{
    std::uint32_t const used = load(page_->req_prod) - load(page_->req_cons);
    return used > kRingSize ? -1 : static_cast<int>(used);
}

int Ring::writable() const
{
    std::uint32_t const used = load(page_->rsp_prod) - load(page_->rsp_cons);
    return used > kRingSize ? -1 : static_cast<int>(kRingSize - used);
}

void Ring::peek(std::string& out, std::size_t count) const
{
    std::uint32_t const start = MASK_XENSTORE_IDX(load(page_->req_cons));
    count = std::min<std::size_t>(count, kRingSize);
    std::size_t const first = std::min<std::size_t>(count, kRingSize - start);
    out.append(page_->req + start, first);
    out.append(page_->req, count - first);
}

void Ring::place(std::string_view bytes, std::size_t offset)
{
    auto const position = static_cast<std::uint32_t>(load(page_->rsp_prod) + offset);
    std::uint32_t const start = MASK_XENSTORE_IDX(position);
    std::size_t const first = std::min<std::size_t>(bytes.size(), kRingSize - start);
    std::memcpy(page_->rsp + start, bytes.data(), first);
    std::memcpy(page_->rsp, bytes.data() + first, bytes.size() - first);
}

// The domain may use a request's space as soon as req_cons moves, and reads up to rsp_prod: release order on both.
// The full fence puts the stores before the next look at the domain's positions: the domain sends no event when it
// finds the ring in use, so either it sees our positions, or we see its.
void Ring::publish(std::uint32_t request_consumer, std::uint32_t response_producer)
{
    store(page_->rsp_prod, response_producer);
    store(page_->req_cons, request_consumer);
    std::atomic_thread_fence(std::memory_order_seq_cst);
}

void Ring::reset()
{
    store(page_->req_cons, 0);
    store(page_->req_prod, 0);
    store(page_->rsp_cons, 0);
    store(page_->rsp_prod, 0);
    store(page_->error, XENSTORE_ERROR_NONE);
    store(page_->connection, XENSTORE_CONNECTED);
}

void Ring::announce()
{
    store(page_->server_features, XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR);
    store(page_->error, XENSTORE_ERROR_NONE);
}

} // namespace tessera::store
