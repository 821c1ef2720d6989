// SPDX-License-Identifier: MIT
// States what the pure store needs from the world around it; tests and native runs leave out what they do not have.
#pragma once

#include "transaction/change.hpp"

#include <string>
#include <vector>

namespace tessera::store
{

struct Client;
struct Request;
class Watch;

enum class DomainEvent
{
    Introduced,
    ShutDown, // the hypervisor says so; the domain is still there
    Released,
    QuotaExceeded,     // a request was refused; reported once for a domain
    SoftQuotaExceeded, // the same for a quota that only warns
    RingBroken,        // the domain violated the ring's protocol
    NotRecorded,       // there was no room to record its end; a restarted daemon will notice it again
};

// Connects and disconnects the shared rings of domains.
class DomainHost
{
public:
    virtual ~DomainHost() = default;

    // Maps the ring of the client's domain, or connects it anew to another event channel. Returns 0 or an errno.
    virtual int attach(Client& client, std::uint64_t frame, std::uint32_t port) = 0;
    virtual void detach(Client& client) = 0;
};

// Makes committed state survive the daemon. Everything recorded between two commits becomes durable in one instant.
class CommitLog
{
public:
    virtual ~CommitLog() = default;

    // Makes sure that `bytes` more can be recorded. Returns 0 or ENOSPC; called before a change has any effect.
    virtual int prepare(std::size_t bytes) = 0;

    virtual void change(ChangeView const& change) = 0;
    virtual void domain_introduced(std::uint16_t domain, std::uint64_t frame, std::uint32_t port) = 0;
    virtual void domain_released(std::uint16_t domain) = 0;
    virtual void domain_shutdown(std::uint16_t domain, bool shutdown) = 0;
    virtual void domain_target(std::uint16_t domain, std::uint16_t target) = 0;
    virtual void watch_added(Watch const& watch) = 0;
    virtual void watch_removed(Watch const& watch) = 0;
    virtual void watches_reset(std::uint16_t domain) = 0;
    virtual void special_permissions(std::string_view name, PermissionList const& list) = 0;
    virtual void quota(bool soft, std::string_view name, std::uint64_t value) = 0;

    // No transaction gets the number `end` or a later one before this is recorded again. Durable at once and not part
    // of the commit of a request: what a recovered daemon answers to one of those is "OK", not a number.
    virtual void transaction_numbers(std::uint32_t end) = 0;
    virtual void commit() = 0;
};

// Hears what happens, for the log.
class Observer
{
public:
    virtual ~Observer() = default;

    // While set_trace() asks for it: each request before it is carried out, each message that is queued for a client in the
    // order of its queue (the payload is `first` and `second`), and the end of each client.
    virtual void request_begins(Client const& client, Request const& request) = 0;
    virtual void message_queued(Client const& client, std::uint32_t type, std::string_view first,
                                std::string_view second) = 0;
    virtual void client_gone(Client const& client) = 0;

    // Something about one domain that an administrator may want to know.
    virtual void domain_event(DomainEvent event, std::uint16_t domain) = 0;
};

// Carries out what xenstore-control asks of the daemon rather than of the store.
class ControlHost
{
public:
    virtual ~ControlHost() = default;

    // Answers a command that the store does not know. False if the host does not know it either.
    virtual bool control(std::vector<std::string_view> const& arguments, std::string& answer) = 0;
};

} // namespace tessera::store
