// SPDX-License-Identifier: MIT
// What the control domain remembers of each guest it started: enough to restart it and to clean up after it.
#pragma once

#include "base/unique_fd.hpp"
#include "config/guest_config.hpp"
#include "hypervisor/hypervisor.hpp"
#include "store/layout.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vm
{

struct GuestRecord
{
    enum class Phase
    {
        Building, ///< not yet complete: what there is must be taken back if its maker dies
        Running,
        Preserved, ///< ended, and kept for inspection as its configuration asks
    };

    DomainId domain = 0;
    Phase phase = Phase::Building;
    std::int64_t created_at = 0;      ///< seconds since 1970
    std::uint32_t quick_restarts = 0; ///< how often in a row it ended soon after it was started
    GuestConfig config;               ///< with uuid and all addresses filled in
    std::vector<AttachedDisk> disks;
    std::vector<std::string> claims; ///< files of the registry that stand for the use of disks
};

/// Whether a domain of this id and identity exists.
using IsAlive = std::function<bool(DomainId, Uuid const&)>;

/// Keeps records, names and disk claims as files under one directory that does not survive the host's reboot.
/// Look-ups are by file name, so their cost does not grow with the number of guests.
class Registry
{
public:
    /// Holds a lock file until it goes out of scope.
    class Lock
    {
    public:
        explicit Lock(UniqueFd fd) : fd_(std::move(fd)) {}

    private:
        UniqueFd fd_;
    };

    /// `root` is created when something is first written to it.
    explicit Registry(std::string root);

    /// The directory that is used unless TESSERA_STATE_DIR says otherwise.
    static std::string default_root();

    std::string const& root() const { return root_; }
    std::string lock_directory() const;

    /// Excludes all other changes of claims; held for moments only.
    Lock lock() const;

    /// Excludes others from ending, restarting or completing this guest. Waits for them.
    Lock lock_guest(DomainId domain) const;

    /// The same without waiting: nothing if somebody else works on the guest. Opens the lock file for reading only,
    /// so that whoever watches for files closed after writing sees those of lock_guest() alone.
    std::optional<Lock> try_lock_guest(DomainId domain) const;

    void write(GuestRecord const& record) const;
    std::optional<GuestRecord> read(DomainId domain) const;
    std::vector<DomainId> list() const;
    bool has_record(DomainId domain) const;

    /// The domain that last claimed the name; it may be gone.
    std::optional<DomainId> find_name(std::string const& name) const;

    /// Writes the record and that its domain has the name and uses its disks. The caller holds lock().
    /// Throws Error(WrongState) if a living guest has the name, or a disk in a way that excludes this use.
    void claim(GuestRecord& record, IsAlive const& alive) const;

    /// What `claim` would throw, without claiming.
    void check_claims(GuestConfig const& config, IsAlive const& alive) const;

    /// Forgets that the guest has its name and disks; the caller holds lock().
    void remove_claims(GuestRecord const& record) const;

    /// Forgets the guest altogether; the caller holds lock().
    void remove(GuestRecord const& record) const;

    /// Says that a domain of this identity is about to exist, until unannounce(). What is still announced when its lock
    /// has gone was given up between its domain's creation and its record.
    Lock announce(Uuid const& uuid) const;
    void unannounce(Uuid const& uuid) const;
    std::vector<Uuid> announced() const;

    /// Nothing if whoever announced it is at work. For reading only, as try_lock_guest().
    std::optional<Lock> try_lock_announced(Uuid const& uuid) const;

    /// Remembers that a guest of this configuration is to be started again, whatever becomes of the process that
    /// wanted to, until forget_restart().
    void write_restart(GuestRecord const& record) const;

    /// What write_restart() has remembered under a name. Throws Error(Failed) if it is damaged.
    std::optional<GuestRecord> read_restart(std::string const& name) const;

    /// The names of the guests that are to be started again.
    std::vector<std::string> restarts() const;

    /// False if nothing was remembered.
    bool forget_restart(std::string const& name) const;

    /// Whether a living guest has the name.
    bool name_is_taken(std::string const& name, IsAlive const& alive) const;

    /// Removes the lock file that lock_guest() made for a guest that turned out to be gone.
    void forget_lock(DomainId domain) const;

private:
    std::string record_path(DomainId domain) const;
    std::string restart_path(std::string const& name) const;
    static std::optional<GuestRecord> read_record(std::string const& path);
    std::string lock_path(DomainId domain) const;
    std::string name_path(std::string const& name) const;
    std::string disk_path(DiskConfig const& disk) const;
    bool holder_lives(DomainId domain, IsAlive const& alive) const;
    void check_disk(DiskConfig const& disk, IsAlive const& alive) const;

    std::string root_;
};

} // namespace vm
