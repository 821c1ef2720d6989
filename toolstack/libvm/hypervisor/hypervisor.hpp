// SPDX-License-Identifier: MIT
// The control interface of the hypervisor: libxenctrl behind types that own what they open and errors that explain.
#pragma once

#include "base/uuid.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct xc_interface_core;

namespace vm
{

class Error;
class LibraryLog;

using DomainId = std::uint32_t;

inline constexpr DomainId kControlDomain = 0;
inline constexpr std::uint64_t kPageSize = 4096;
inline constexpr std::uint64_t kPagesPerMib = (1u << 20) / kPageSize;

/// Why a guest stopped, as the guest reported it; the values are the ABI's.
enum class ShutdownReason : std::uint32_t
{
    PowerOff = 0,
    Reboot = 1,
    Suspend = 2,
    Crash = 3,
    Watchdog = 4,
    SoftReset = 5,
};

std::string to_string(ShutdownReason reason);

struct DomainInfo
{
    DomainId id = 0;
    Uuid uuid{};
    bool dying = false;
    bool shut_down = false;
    bool paused = false;
    bool blocked = false;
    bool running = false;
    bool hvm = false;
    ShutdownReason reason = ShutdownReason::PowerOff; ///< only if shut_down
    std::uint64_t pages = 0;
    std::uint64_t max_memory_kib = 0;
    std::uint64_t cpu_time_ns = 0;
    std::uint32_t online_vcpus = 0;
    std::uint32_t max_vcpus = 0;

    /// One word for the user: running, blocked, paused, dying, or the way it ended.
    std::string state() const;
};

struct HostInfo
{
    std::string version; ///< "4.17.x"
    std::string extra_version;
    std::string capabilities; ///< what kinds of guest run
    std::string compiler;
    std::string compile_date;
    std::string command_line;
    std::string changeset;
    std::uint32_t cpus = 0;
    std::uint32_t nodes = 0;
    std::uint32_t threads_per_core = 0;
    std::uint32_t cores_per_socket = 0;
    std::uint32_t cpu_khz = 0;
    std::uint64_t total_pages = 0;
    std::uint64_t free_pages = 0;
    std::uint64_t scrub_pages = 0;
    std::uint64_t outstanding_pages = 0;
    bool grants_v2 = false;
    std::string scheduler;
};

struct NewDomain
{
    Uuid uuid{};
    std::uint32_t max_vcpus = 1;
    std::uint32_t max_event_channels = 1023;
    std::int32_t max_grant_frames = -1;
    std::int32_t max_maptrack_frames = -1;
};

/// One open handle. Not for use by two threads at once: the text of the last error belongs to the handle.
class Hypervisor
{
public:
    /// Throws Error(Unreachable) where there is no hypervisor to talk to, Error(Denied) without the right to.
    Hypervisor();
    ~Hypervisor();
    Hypervisor(Hypervisor const&) = delete;
    Hypervisor& operator=(Hypervisor const&) = delete;

    xc_interface_core* handle() const { return handle_; }

    /// An Error for the call that has just failed: errno, and what the library said about it.
    Error error(std::string const& what, std::string hint = {}) const;

    /// What the library has said since this was last asked, for calls that do not set errno reliably.
    std::string take_library_errors() const;

    HostInfo host_info() const;
    std::uint64_t free_pages() const;
    std::uint64_t total_pages() const;
    std::string read_log(bool clear) const;

    std::optional<DomainInfo> domain(DomainId id) const;
    std::vector<DomainInfo> domains() const; ///< by ascending id

    DomainId create(NewDomain const& request) const;
    void set_vcpus(DomainId id, std::uint32_t count) const;
    void set_max_memory(DomainId id, std::uint64_t kib) const;
    void set_memory_map(DomainId id, std::uint64_t kib) const;
    /// Throws Error(Usage) if the host does not have one of these CPUs.
    void check_cpus(std::vector<std::uint32_t> const& cpus) const;
    void set_affinity(DomainId id, std::uint32_t vcpu, std::vector<std::uint32_t> const& cpus) const;
    void set_scheduling(DomainId id, std::optional<std::uint32_t> weight, std::optional<std::uint32_t> cap) const;
    void apply_default_cpu_policy(DomainId id) const;
    std::uint32_t allocate_event_channel(DomainId id, DomainId remote) const;
    void pause(DomainId id) const;
    void unpause(DomainId id) const;
    /// Returns when the hypervisor has taken all it can from the domain; it may linger while others map its pages.
    void destroy(DomainId id) const;
    void dump_core(DomainId id, std::string const& path) const;

private:
    std::unique_ptr<LibraryLog> log_;
    xc_interface_core* handle_ = nullptr;
};

} // namespace vm
