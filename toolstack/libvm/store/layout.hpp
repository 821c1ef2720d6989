// SPDX-License-Identifier: MIT
// Which nodes of the store make up a guest, for its kernel, the back ends and the console daemon to find.
#pragma once

#include "base/uuid.hpp"
#include "config/guest_config.hpp"
#include "store/batch.hpp"

#include <cstdint>
#include <string>

namespace vm
{

/// A disk whose target is open: what the back end needs to know beyond the configuration.
struct AttachedDisk
{
    DiskConfig disk;
    std::string node; ///< block device that serves it, a loop device for a file
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    bool loop = false;             ///< `node` was set up by us and must be taken down again
    std::uint64_t file_device = 0; ///< identity of the file behind the loop device, whatever its name by now
    std::uint64_t file_inode = 0;

    bool operator==(AttachedDisk const&) const = default;
};

/// Where the guest's rings are.
struct GuestRings
{
    std::uint64_t store_frame = 0;
    std::uint32_t store_port = 0;
    std::uint64_t console_frame = 0;
    std::uint32_t console_port = 0;
};

std::string domain_path(std::uint32_t domain);
std::string vm_path(Uuid const& uuid);
std::string backend_path(std::uint32_t domain, char const* kind);
std::string backend_path(std::uint32_t domain, char const* kind, std::uint32_t index);
std::string frontend_path(std::uint32_t domain, char const* kind, std::uint32_t index);

/// The name of a network interface in the control domain.
std::string interface_name(std::uint32_t domain, NicConfig const& nic);

/// What the back end calls an interface before it gets its name.
std::string first_interface_name(std::uint32_t domain, NicConfig const& nic);

/// The directories under which all guests' nodes lie; made once, so that a guest's end leaves the store as it was.
void add_host_nodes(StoreBatch& batch);

/// Everything but the rings; for one transaction.
void add_domain_nodes(StoreBatch& batch, std::uint32_t domain, GuestConfig const& guest);
void add_disk_nodes(StoreBatch& batch, std::uint32_t domain, GuestConfig const& guest, AttachedDisk const& disk);
void add_nic_nodes(StoreBatch& batch, std::uint32_t domain, GuestConfig const& guest, NicConfig const& nic);

/// The rings' places, then the introduction of the domain to the store daemon.
void add_ring_nodes(StoreBatch& batch, std::uint32_t domain, GuestRings const& rings);

/// Takes a guest's devices away, on both sides.
void add_device_removal(StoreBatch& batch, std::uint32_t domain);

/// Takes all of a guest's nodes away, also those of a guest that another toolstack made.
void add_removal(StoreBatch& batch, std::uint32_t domain, Uuid const& uuid);

} // namespace vm
