// SPDX-License-Identifier: MIT
// What a guest shall be, independent of the notation it was written in.
#pragma once

#include "base/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vm
{

inline constexpr std::uint32_t kMaxVcpus = 128;     ///< of one guest; the hypervisor has no more
inline constexpr std::uint32_t kMaxCpus = 4096;     ///< that `cpus` can name; the host decides which there are
inline constexpr std::uint32_t kMaxNicNumber = 255; ///< keeps vif<domid>.<number> within 15 characters
inline constexpr std::uint32_t kMaxCap = 65535;     ///< the scheduler's interface has 16 bits
inline constexpr std::uint32_t kMaxWeight = 65535;  ///< likewise

/// What the toolstack does when a guest ends; the names are those of xl.cfg.
enum class EndAction
{
    Destroy,
    Restart,
    RenameRestart,
    Preserve,
    CoredumpDestroy,
    CoredumpRestart,
};

struct DiskConfig
{
    std::string target;       ///< file or block device in the control domain
    std::string device;       ///< name in the guest, "xvda"
    std::uint32_t number = 0; ///< the same as a virtual device number, 51712
    bool writable = true;
    bool discard = true;

    bool operator==(DiskConfig const&) const = default;
};

struct NicConfig
{
    std::optional<std::uint32_t> number; ///< in the guest and in vif<domid>.<number>; chosen if it is not given
    std::string mac;                     ///< empty until the guest is first created
    std::string bridge = "xenbr0";       ///< empty: not attached to a bridge
    std::string interface_name;          ///< empty: vif<domid>.<number>
    std::string address;                 ///< recorded in the store for the guest's agent; not enforced
    std::optional<std::uint32_t> mtu;
    std::uint64_t rate_bytes = 0; ///< bytes in each interval, 0: unlimited
    std::uint64_t rate_interval_us = 50'000;

    bool operator==(NicConfig const&) const = default;
};

struct GuestConfig
{
    std::string name;
    std::optional<Uuid> uuid;
    std::string kernel;
    std::string ramdisk;
    std::string command_line;
    std::uint64_t memory_mib = 0;
    std::uint64_t max_memory_mib = 0;                     ///< at least memory_mib
    std::uint32_t vcpus = 1;                              ///< online at boot
    std::uint32_t max_vcpus = 1;                          ///< at least vcpus
    std::optional<std::uint32_t> weight;                  ///< scheduler weight, 1..65535
    std::optional<std::uint32_t> cap;                     ///< per cent of one CPU, 0: none
    std::vector<std::uint32_t> cpus;                      ///< hard affinity of every vCPU, empty: any
    std::vector<std::vector<std::uint32_t>> cpus_by_vcpu; ///< the same for the first vCPUs, each on its own
    EndAction on_poweroff = EndAction::Destroy;
    EndAction on_reboot = EndAction::Restart;
    EndAction on_crash = EndAction::Destroy;
    EndAction on_watchdog = EndAction::Destroy;
    std::int32_t max_grant_frames = -1; ///< -1: the hypervisor's default
    std::int32_t max_maptrack_frames = -1;
    std::uint32_t max_event_channels = 1023;
    std::vector<DiskConfig> disks;
    std::vector<NicConfig> nics;

    bool operator==(GuestConfig const&) const = default;
};

/// A configuration read from a file, with what the reader wants to tell the user.
struct ParsedConfig
{
    GuestConfig guest;
    std::vector<std::string> warnings;
};

std::string to_string(EndAction action);
std::optional<EndAction> parse_end_action(std::string const& text);

/// Checks what no single key can tell (memory against maxmem, devices used twice, the name's characters, ...)
/// and fills in what follows from other fields. Throws Error(Usage) with the cause and a hint.
void complete_and_check(GuestConfig& guest);

} // namespace vm
