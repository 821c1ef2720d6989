// SPDX-License-Identifier: MIT
// Implements the ring protocol: whole requests in, whole replies out, long ones piece by piece.
#include "transport/ring_connection.hpp"

#include <algorithm>

namespace tessera::store {

RingConnection::RingConnection(Store& store, Client& client, xenstore_domain_interface* page)
    : store_(store), client_(client), ring_(page)
{
    ring_.announce();
}

void RingConnection::fail(std::uint32_t error, bool& notify)
{
    broken_ = true;
    input_.clear();
    ring_.set_error(error);
    notify = true;
}

// Moves queued output into the ring. False when the ring's indices are impossible.
bool RingConnection::flush(bool& notify)
{
    for (;;) {
        int const room = ring_.writable();
        if (room < 0) {
            fail(XENSTORE_ERROR_RINGIDX, notify);
            return false;
        }
        if (client_.output.empty()) {
            if (!client_.missed_events) {
                return true;
            }
            store_.output_drained(client_);
            continue;
        }
        std::size_t const count = std::min<std::size_t>(static_cast<std::size_t>(room), client_.output.size());
        if (count == 0) {
            return true;
        }
        ring_.place(client_.output.pending().substr(0, count), 0);
        ring_.publish(ring_.request_consumer(), ring_.response_producer() + static_cast<std::uint32_t>(count));
        client_.output.consume(count);
        notify = true;
    }
}

// Takes what there is of the next request, and carries it out once it is complete. False if nothing was there.
// An incomplete request must be taken too: a guest that writes a request in pieces tells of the later ones only
// if the earlier ones have left the ring.
bool RingConnection::take_request(bool& notify)
{
    int const readable = ring_.readable();
    if (readable < 0) {
        fail(XENSTORE_ERROR_RINGIDX, notify);
        return false;
    }
    std::size_t const kept = input_.size();
    auto const available = static_cast<std::size_t>(readable);
    ring_.peek(input_, std::min(available, next_frame(input_).size - kept));
    Frame frame = next_frame(input_);
    if (frame.status == FrameStatus::Incomplete && input_.size() >= kHeaderSize) {
        // The header is known now: take what belongs to this message and no more.
        input_.resize(kept);
        ring_.peek(input_, std::min(available, frame.size - kept));
        frame = next_frame(input_);
    }
    if (frame.status == FrameStatus::Oversized) {
        fail(XENSTORE_ERROR_PROTO, notify);
        return false;
    }
    auto const taken = static_cast<std::uint32_t>(input_.size() - kept);
    if (taken == 0) {
        return false;
    }
    if (frame.status == FrameStatus::Complete) {
        store_.handle(client_, frame.request);
        input_.clear();
    }
    ring_.publish(ring_.request_consumer() + taken, ring_.response_producer());
    notify = true;
    return true;
}

RingConnection::Progress RingConnection::run(int budget, bool& notify)
{
    if (ring_.reconnect_wanted()) {
        store_.reset_client(client_);
        input_.clear();
        broken_ = false;
        ring_.reset();
        ring_.announce();
        notify = true;
    }
    if (broken_) {
        return Progress::Idle;
    }
    while (flush(notify)) {
        // A domain that does not take its replies gets no further requests carried out.
        if (!client_.output.empty() && !client_.privileged) {
            return Progress::Idle;
        }
        if (budget-- == 0) {
            return Progress::More;
        }
        if (!take_request(notify)) {
            return Progress::Idle;
        }
    }
    return Progress::Idle;
}

}  // namespace tessera::store
