// SPDX-License-Identifier: MIT
// Implements the ring protocol: whole requests in, whole replies out, long ones piece by piece.
#include "transport/ring_connection.hpp"

#include <algorithm>

namespace tessera::store
{

RingConnection::RingConnection(Store& store, Client& client, xenstore_domain_interface* page, RingLedger* ledger)
    : store_(store), client_(client), ring_(page), ledger_(ledger),
      position_{ring_.request_consumer(), ring_.response_producer()}, recorded_end_(position_.response_producer)
{
    ring_.announce();
}

// The order of records decides what happened last: the position is stored when a reply has been placed; a reply that
// did not fit was recorded before that; a change was recorded, with its request, before its reply.
bool RingConnection::recover(RecoveredRing const& known)
{
    position_ = known.position;
    auto const later = [this](std::uint32_t consumer) {
        return static_cast<std::int32_t>(consumer - position_.request_consumer) > 0;
    };
    if (known.output.valid && later(known.output.position.request_consumer))
    {
        position_ = known.output.position;
        client_.output.restore(known.output.bytes);
    }
    else if (known.output.valid && known.output.position.request_consumer == position_.request_consumer)
    {
        std::uint32_t const given = position_.response_producer - known.output.position.response_producer;
        if (given < known.output.bytes.size())
        {
            client_.output.restore(std::string_view(known.output.bytes).substr(given));
        }
    }
    if (known.has_request && later(known.request_consumer))
    {
        position_.request_consumer = known.request_consumer;
        client_.output.append(known.type, known.request_id, known.transaction_id, std::string_view("OK\0", 3));
        // The position is about to say that this request was answered, so the answer must be known before: this daemon may
        // end, too, before it is in the ring.
        if (ledger_ != nullptr)
        {
            ledger_->ring_output(client_.domain, position_, client_.output.pending());
        }
    }
    if (known.input.valid && known.input.position.request_consumer == position_.request_consumer)
    {
        input_ = known.input.bytes;
    }
    recorded_end_ = position_.response_producer;
    publish();
    bool const plausible = ring_.readable() >= 0 && ring_.writable() >= 0;
    if (!plausible)
    {
        bool notify = false;
        fail(XENSTORE_ERROR_RINGIDX, notify);
    }
    return plausible;
}

RecoveredRing RingConnection::state() const
{
    RecoveredRing state;
    state.position = position_;
    state.output = {position_, std::string(client_.output.pending()), !client_.output.empty()};
    state.input = {position_, input_, !input_.empty()};
    return state;
}

// Shows the domain the store's positions, after the ledger knows them.
void RingConnection::publish()
{
    if (ledger_ != nullptr)
    {
        ledger_->ring_position(client_.domain, position_);
    }
    ring_.publish(position_.request_consumer + static_cast<std::uint32_t>(input_.size()), position_.response_producer);
}

void RingConnection::fail(std::uint32_t error, bool& notify)
{
    broken_ = true;
    input_.clear();
    ring_.set_error(error);
    notify = true;
}

// Places as much output as fits. The ring is filled to the last byte even in the middle of a message, because a guest
// tells of free space only when it found the ring full; a message that is cut is recorded first.
void RingConnection::send(std::size_t room)
{
    std::string_view const pending = client_.output.pending();
    std::size_t const count = std::min(room, pending.size());
    auto const end = position_.response_producer + static_cast<std::uint32_t>(count);
    if (count < pending.size() && ledger_ != nullptr && static_cast<std::int32_t>(end - recorded_end_) > 0)
    {
        ledger_->ring_output(client_.domain, position_, pending);
        recorded_end_ = position_.response_producer + static_cast<std::uint32_t>(pending.size());
    }
    ring_.place(pending.substr(0, count), 0);
    position_.response_producer = end;
    publish();
    client_.output.consume(count);
}

// Moves queued output into the ring. False when the ring's indices are impossible.
bool RingConnection::flush(bool& notify)
{
    for (;;)
    {
        int const room = ring_.writable();
        if (room < 0)
        {
            fail(XENSTORE_ERROR_RINGIDX, notify);
            return false;
        }
        if (client_.output.empty())
        {
            if (!client_.missed_events)
            {
                return true;
            }
            store_.output_drained(client_);
            continue;
        }
        if (room == 0)
        {
            return true;
        }
        send(static_cast<std::size_t>(room));
        notify = true;
    }
}

// Takes what there is of the next request, and carries it out once it is complete. False if nothing was there.
// An incomplete request must be taken too: a guest that writes a request in pieces tells of the later ones only
// if the earlier ones have left the ring.
bool RingConnection::take_request(bool& notify)
{
    int const readable = ring_.readable();
    if (readable < 0)
    {
        fail(XENSTORE_ERROR_RINGIDX, notify);
        return false;
    }
    std::size_t const kept = input_.size();
    auto const available = static_cast<std::size_t>(readable);
    ring_.peek(input_, std::min(available, next_frame(input_).size - kept));
    Frame frame = next_frame(input_);
    if (frame.status == FrameStatus::Incomplete && input_.size() >= kHeaderSize)
    {
        // The header is known now: take what belongs to this message and no more.
        input_.resize(kept);
        ring_.peek(input_, std::min(available, frame.size - kept));
        frame = next_frame(input_);
    }
    if (frame.status == FrameStatus::Oversized)
    {
        fail(XENSTORE_ERROR_PROTO, notify);
        return false;
    }
    auto const taken = static_cast<std::uint32_t>(input_.size() - kept);
    if (taken == 0)
    {
        return false;
    }
    notify = true;
    if (frame.status != FrameStatus::Complete)
    {
        if (ledger_ != nullptr && frame.size > XENSTORE_RING_SIZE)
        {
            ledger_->ring_input(client_.domain, position_, input_);
        }
        ring_.publish(position_.request_consumer + static_cast<std::uint32_t>(input_.size()),
                      position_.response_producer);
        return true;
    }
    std::uint32_t const end = position_.request_consumer + static_cast<std::uint32_t>(frame.size);
    if (ledger_ != nullptr)
    {
        ledger_->ring_request(client_.domain, end, frame.request);
    }
    store_.handle(client_, frame.request);
    if (ledger_ != nullptr)
    {
        ledger_->ring_request_done();
    }
    input_.clear();
    position_.request_consumer = end;
    // The request counts as carried out at the instant at which its reply, or the record of it, is in place.
    int const room = ring_.writable();
    if (room < 0)
    {
        fail(XENSTORE_ERROR_RINGIDX, notify);
        return false;
    }
    send(static_cast<std::size_t>(room));
    return true;
}

RingConnection::Progress RingConnection::run(int budget, bool& notify)
{
    if (ring_.reconnect_wanted())
    {
        store_.reset_client(client_);
        input_.clear();
        broken_ = false;
        position_ = {};
        recorded_end_ = 0;
        if (ledger_ != nullptr)
        {
            ledger_->ring_position(client_.domain, position_);
        }
        ring_.reset();
        ring_.announce();
        notify = true;
    }
    if (broken_)
    {
        return Progress::Idle;
    }
    while (flush(notify))
    {
        // A domain that does not take its replies gets no further requests carried out.
        if (!client_.output.empty())
        {
            return Progress::Idle;
        }
        if (budget-- == 0)
        {
            return Progress::More;
        }
        if (!take_request(notify))
        {
            return Progress::Idle;
        }
    }
    return Progress::Idle;
}

} // namespace tessera::store
