// SPDX-License-Identifier: MIT
// Serves the rings of all domains: events mark a ring as ready, and ready rings take turns.
#pragma once

#include "transport/event_loop.hpp"
#include "transport/hypervisor.hpp"
#include "transport/ring_connection.hpp"

#include <deque>
#include <memory>
#include <unordered_map>

namespace tessera::store
{

class RingServer final : public Pollable, public DomainHost
{
public:
    // `ledger` may be null.
    RingServer(EventLoop& loop, Store& store, Hypervisor& hypervisor, RingLedger* ledger = nullptr);
    ~RingServer() override;

    int attach(Client& client, std::uint64_t frame, std::uint32_t port) override;
    void detach(Client& client) override;

    // Connects a domain that an earlier daemon served. Returns 0 or an errno; the domain may have ended since.
    int reattach(Client& client, std::uint64_t frame, std::uint32_t port, RecoveredRing const& known);

    // The connection of a client; null if it has none.
    [[nodiscard]] RingConnection const* connection(Client const& client) const;

    // Calls visit(domain, RecoveredRing) for each ring.
    template<typename Visit>
    void for_each_state(Visit&& visit) const
    {
        for (auto const& [id, peer] : by_client_)
        {
            visit(peer->connection->client().domain, peer->connection->state());
        }
    }

    void on_ready(std::uint32_t events) override;

    // Delivers output that was queued for `client` outside of its own turn.
    void flush(Client& client);

    // Gives one turn to each ring that is ready.
    void run_ready();

    // True if some ring waits for its turn: the loop must come back without waiting for events.
    [[nodiscard]] bool has_ready() const { return !ready_.empty(); }

    // Looks for domains that ended while nobody was listening.
    void scan_domains();

    [[nodiscard]] std::size_t size() const { return by_port_.size(); }

private:
    struct Peer
    {
        std::unique_ptr<RingConnection> connection;
        xenstore_domain_interface* page = nullptr;
        int port = -1;
        bool queued = false;
        bool defunct = false; // detached while on the ready list; freed when its turn comes
    };

    static constexpr int kRequestsPerTurn = 16;

    int map(Client& client, std::uint64_t frame, std::uint32_t port, std::unique_ptr<Peer>& out);
    void start(Client& client, std::unique_ptr<Peer> peer);
    void queue(Peer& peer);
    void run(Peer& peer);

    EventLoop& loop_;
    Store& store_;
    Hypervisor& hypervisor_;
    RingLedger* ledger_;
    std::unordered_map<int, Peer*> by_port_;
    std::unordered_map<std::uint32_t, std::unique_ptr<Peer>> by_client_;
    std::deque<Peer*> ready_;
    std::vector<std::unique_ptr<Peer>> defunct_;
    std::vector<int> ports_;
};

} // namespace tessera::store
