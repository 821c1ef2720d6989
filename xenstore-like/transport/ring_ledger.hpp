// SPDX-License-Identifier: MIT
// States what a ring needs to survive its daemon: the journal implements it, tests and stateless runs have none.
#pragma once

#include "journal/ring_cells.hpp"
#include "wire/frame.hpp"

#include <string>

namespace tessera::store
{

class RingLedger
{
public:
    virtual ~RingLedger() = default;

    // A domain was connected, and stands at `position`. Returns 0 or an errno (no room for its cell).
    virtual int ring_attached(std::uint16_t domain, RingPosition const& position) = 0;

    // The request that is carried out next ends at `request_consumer`; recorded together with what it commits.
    virtual void ring_request(std::uint16_t domain, std::uint32_t request_consumer, Request const& request) = 0;
    virtual void ring_request_done() = 0;

    // `bytes` are to follow `position`, but do not fit into the ring as a whole.
    virtual void ring_output(std::uint16_t domain, RingPosition const& position, std::string_view bytes) = 0;

    // `bytes` were taken behind `position` and are the beginning of a request that is longer than the ring.
    virtual void ring_input(std::uint16_t domain, RingPosition const& position, std::string_view bytes) = 0;

    // What was placed before `position` counts as given to the domain from now on.
    virtual void ring_position(std::uint16_t domain, RingPosition const& position) = 0;
};

// What a ledger knew about a domain's ring when its daemon ended.
struct RecoveredRing
{
    struct Piece
    {
        RingPosition position;
        std::string bytes;
        bool valid = false;
    };

    RingPosition position;
    Piece output;
    Piece input;
    bool has_request = false;
    std::uint32_t request_consumer = 0;
    std::uint32_t type = 0;
    std::uint32_t request_id = 0;
    std::uint32_t transaction_id = 0;
};

} // namespace tessera::store
