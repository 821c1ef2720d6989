// SPDX-License-Identifier: MIT
// States what the store needs from the hypervisor, so that the ring server runs against a simulated one in tests.
#pragma once

#include "wire/protocol.hpp"

#include <cstdint>
#include <vector>

namespace tessera::store
{

struct DomainState
{
    std::uint16_t domain;
    bool dying;
    bool shutdown;
};

class Hypervisor
{
public:
    virtual ~Hypervisor() = default;

    // Maps the ring page of `domain`; null with errno set when that fails. `frame` is what INTRODUCE named.
    virtual xenstore_domain_interface* map_ring(std::uint16_t domain, std::uint64_t frame) = 0;
    virtual void unmap_ring(xenstore_domain_interface* page) = 0;

    // Binds to a domain's event channel; the local port, or -1 with errno set.
    virtual int bind(std::uint16_t domain, std::uint32_t remote_port) = 0;
    virtual void unbind(int local_port) = 0;
    virtual void notify(int local_port) = 0;

    // The descriptor that is readable while events are waiting.
    [[nodiscard]] virtual int event_descriptor() const = 0;

    // Appends the local ports with waiting events and lets them fire again.
    virtual void take_events(std::vector<int>& ports) = 0;

    // The local port that reports that some domain ended.
    [[nodiscard]] virtual int domain_end_port() const = 0;

    // The states of all domains, in order of their numbers. False with errno set when the hypervisor refuses.
    virtual bool list_domains(std::vector<DomainState>& out) = 0;

    // The control domain's own event channel for its kernel's ring; 0 if there is none.
    [[nodiscard]] virtual std::uint32_t control_domain_port() const = 0;
};

} // namespace tessera::store
