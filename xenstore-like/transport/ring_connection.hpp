// SPDX-License-Identifier: MIT
// Serves one domain through its ring page. Pure: it is driven by calls and touches nothing but the page and the
// store, so tests and the fuzzer run it on ordinary memory.
#pragma once

#include "service/store.hpp"
#include "transport/ring.hpp"
#include "transport/ring_ledger.hpp"

namespace tessera::store
{

class RingConnection
{
public:
    enum class Progress
    {
        Idle, // nothing more can be done until the domain moves
        More, // the budget is used up; call again after the others had their turn
    };

    // `ledger` may be null: then nothing of the ring survives the daemon.
    RingConnection(Store& store, Client& client, xenstore_domain_interface* page, RingLedger* ledger = nullptr);

    // Goes on where an earlier daemon stopped, wherever that was. False if the page contradicts the records.
    bool recover(RecoveredRing const& known);

    // Carries out at most `budget` requests and delivers replies and events. `notify` becomes true if the domain
    // has to be told that the page changed.
    Progress run(int budget, bool& notify);

    [[nodiscard]] Client& client() const { return client_; }
    [[nodiscard]] Ring& ring() { return ring_; }

    // True after a protocol violation: the ring is ignored until the domain asks for a reconnection.
    [[nodiscard]] bool broken() const { return broken_; }

    // What the next daemon has to know beyond the ring page; for live updates.
    [[nodiscard]] RecoveredRing state() const;

private:
    bool take_request(bool& notify);
    bool flush(bool& notify);
    void send(std::size_t room);
    void publish();
    void fail(std::uint32_t error, bool& notify);

    Store& store_;
    Client& client_;
    Ring ring_;
    RingLedger* ledger_;
    RingPosition position_;          // what the ledger knows: the end of the last request, and of the output
    std::uint32_t recorded_end_ = 0; // output up to here is in the ledger's last output record
    std::string input_;              // the beginning of a request whose rest is still to come
    bool broken_ = false;
};

} // namespace tessera::store
