// SPDX-License-Identifier: MIT
// Brings guests into being and takes them away again, wholly or not at all.
#pragma once

#include "config/guest_config.hpp"
#include "domain/registry.hpp"
#include "hypervisor/hypervisor.hpp"
#include "store/store.hpp"

#include <chrono>
#include <string>
#include <vector>

namespace vm
{

/// How long a destroyed domain may linger before that is an error.
constexpr std::chrono::seconds kDomainLimit{30};

/// What every operation on guests needs; opened once a process.
struct Host
{
    Hypervisor hypervisor;
    Store store;
    Registry registry{Registry::default_root()};

    /// Whether a domain with this id and identity exists and is not on its way out.
    IsAlive liveness() const;
};

struct CreateOptions
{
    bool start_paused = false;
    std::uint32_t quick_restarts = 0; ///< kept in the record
    /// Whether SIGINT, SIGTERM and SIGHUP break the creation off. Not for a process that waits for them itself.
    bool interruptible = true;
};

/// All that can be found out about a configuration without changing anything: files and what is in
/// them, bridges, drivers, CPUs, memory,
/// the name, disks in use. Throws the Error that `create_guest` would.
void check_guest(Host& host, GuestConfig const& guest);

/// Creates and starts a guest. On any error everything that was made is taken back, whatever signals come; should
/// that fail in part, the Error has the code Partial and names what was left, and the record stays for whoever tries again.
GuestRecord create_guest(Host& host, GuestConfig const& guest, CreateOptions const& options);

/// Destroys a guest and all that belongs to it, waiting until it is gone; whether its domain still exists or not,
/// and also if another toolstack made it. Throws Error(Partial) if something could not be taken away.
/// False if somebody else ended it while we waited for our turn.
/// `patience` is how long the domain may linger because other domains map its pages before that counts as a failure.
bool destroy_guest(Host& host, DomainId domain, Uuid const& uuid, std::chrono::seconds patience = kDomainLimit);

/// Takes an ended guest's devices and name away and keeps its domain, under another name, for inspection.
/// The caller holds the guest's lock.
void strip_guest(Host& host, GuestRecord& record, std::string const& new_name);

} // namespace vm
