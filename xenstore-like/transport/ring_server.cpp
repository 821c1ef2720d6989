// SPDX-License-Identifier: MIT
// Implements the ring server.
#include "transport/ring_server.hpp"

#include <algorithm>
#include <cerrno>

namespace tessera::store
{

RingServer::RingServer(EventLoop& loop, Store& store, Hypervisor& hypervisor, RingLedger* ledger)
    : loop_(loop), store_(store), hypervisor_(hypervisor), ledger_(ledger)
{
    loop_.add(hypervisor_.event_descriptor(), EPOLLIN, *this);
}

RingServer::~RingServer()
{
    loop_.remove(hypervisor_.event_descriptor(), *this);
    for (auto& [id, peer] : by_client_)
    {
        hypervisor_.unbind(peer->port);
        hypervisor_.unmap_ring(peer->page);
    }
}

int RingServer::map(Client& client, std::uint64_t frame, std::uint32_t port, std::unique_ptr<Peer>& out)
{
    auto fresh = std::make_unique<Peer>();
    fresh->page = hypervisor_.map_ring(client.domain, frame);
    if (fresh->page == nullptr)
    {
        return errno != 0 ? errno : EIO;
    }
    fresh->port = hypervisor_.bind(client.domain, port);
    if (fresh->port < 0)
    {
        int const error = errno != 0 ? errno : EIO;
        hypervisor_.unmap_ring(fresh->page);
        return error;
    }
    out = std::move(fresh);
    return 0;
}

void RingServer::start(Client& client, std::unique_ptr<Peer> peer)
{
    client.transport = peer.get();
    by_port_[peer->port] = peer.get();
    // The control domain's kernel waits for this first event; a guest may have asked before it was introduced.
    hypervisor_.notify(peer->port);
    queue(*peer);
    by_client_[client.id] = std::move(peer);
}

// A domain that is introduced again keeps its ring and moves to the new event channel.
int RingServer::attach(Client& client, std::uint64_t frame, std::uint32_t port)
{
    if (auto const found = by_client_.find(client.id); found != by_client_.end())
    {
        Peer& peer = *found->second;
        int const moved = hypervisor_.bind(client.domain, port);
        if (moved < 0)
        {
            return errno != 0 ? errno : EIO;
        }
        by_port_.erase(peer.port);
        hypervisor_.unbind(peer.port);
        peer.port = moved;
        by_port_[moved] = &peer;
        hypervisor_.notify(moved);
        queue(peer);
        return 0;
    }
    std::unique_ptr<Peer> peer;
    if (int const error = map(client, frame, port, peer); error != 0)
    {
        return error;
    }
    peer->connection = std::make_unique<RingConnection>(store_, client, peer->page, ledger_);
    if (ledger_ != nullptr)
    {
        auto& ring = peer->connection->ring();
        int const error = ledger_->ring_attached(client.domain, {ring.request_consumer(), ring.response_producer()});
        if (error != 0)
        {
            hypervisor_.unbind(peer->port);
            hypervisor_.unmap_ring(peer->page);
            return error;
        }
    }
    start(client, std::move(peer));
    return 0;
}

int RingServer::reattach(Client& client, std::uint64_t frame, std::uint32_t port, RecoveredRing const& known)
{
    std::unique_ptr<Peer> peer;
    if (int const error = map(client, frame, port, peer); error != 0)
    {
        return error;
    }
    peer->connection = std::make_unique<RingConnection>(store_, client, peer->page, ledger_);
    peer->connection->recover(known);
    start(client, std::move(peer));
    return 0;
}

RingConnection const* RingServer::connection(Client const& client) const
{
    auto const found = by_client_.find(client.id);
    return found == by_client_.end() ? nullptr : found->second->connection.get();
}

void RingServer::detach(Client& client)
{
    auto found = by_client_.extract(client.id);
    if (found.empty())
    {
        return;
    }
    auto& peer = found.mapped();
    by_port_.erase(peer->port);
    hypervisor_.unbind(peer->port);
    peer->connection.reset();
    hypervisor_.unmap_ring(peer->page);
    if (peer->queued)
    {
        peer->defunct = true;
        defunct_.push_back(std::move(peer));
    }
}

void RingServer::queue(Peer& peer)
{
    if (!peer.queued)
    {
        peer.queued = true;
        ready_.push_back(&peer);
    }
}

void RingServer::on_ready(std::uint32_t)
{
    ports_.clear();
    hypervisor_.take_events(ports_);
    bool ended = false;
    for (int const port : ports_)
    {
        if (port == hypervisor_.domain_end_port())
        {
            ended = true;
            continue;
        }
        auto const found = by_port_.find(port);
        if (found != by_port_.end())
        {
            queue(*found->second);
        }
    }
    if (ended)
    {
        scan_domains();
    }
}

void RingServer::run(Peer& peer)
{
    bool notify = false;
    int const port = peer.port;
    bool const was_broken = peer.connection->broken();
    auto const progress = peer.connection->run(kRequestsPerTurn, notify);
    if (notify)
    {
        hypervisor_.notify(port);
    }
    if (peer.connection->broken() && !was_broken)
    {
        store_.report(DomainEvent::RingBroken, peer.connection->client().domain);
    }
    if (progress == RingConnection::Progress::More)
    {
        queue(peer);
    }
}

void RingServer::flush(Client& client)
{
    queue(*static_cast<Peer*>(client.transport));
}

void RingServer::run_ready()
{
    for (std::size_t turns = ready_.size(); turns > 0; --turns)
    {
        Peer* const peer = ready_.front();
        ready_.pop_front();
        peer->queued = false;
        if (peer->defunct)
        {
            std::erase_if(defunct_, [peer](auto const& candidate) { return candidate.get() == peer; });
        }
        else
        {
            run(*peer);
        }
    }
}

// The event does not say which domain ended, so all are listed; many ends that were reported together cost one list.
void RingServer::scan_domains()
{
    std::vector<DomainState> states;
    if (!hypervisor_.list_domains(states))
    {
        return;
    }
    std::vector<std::uint16_t> gone;
    std::vector<std::uint16_t> shut_down;
    for (auto const& [domain, entry] : store_.domains())
    {
        if (domain == 0)
        {
            continue;
        }
        auto const state = std::lower_bound(states.begin(), states.end(), domain,
                                            [](DomainState const& one, std::uint16_t id) { return one.domain < id; });
        if (state == states.end() || state->domain != domain || state->dying)
        {
            gone.push_back(domain);
        }
        else if (state->shutdown)
        {
            shut_down.push_back(domain);
        }
    }
    store_.domains_ended(gone, shut_down);
}

} // namespace tessera::store
