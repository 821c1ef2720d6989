// SPDX-License-Identifier: MIT
// Sweeps over what has ended whenever the store or the registry says that something has; idle otherwise.
#include "supervise/supervisor.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "supervise/lock_watch.hpp"
#include "supervise/restart_policy.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <exception>
#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace vm
{
namespace
{

constexpr char kToken[] = "release";
constexpr int kLookAgainMilliseconds = 200;
constexpr std::chrono::seconds kTryAgain{10};      // what failed: the end of a guest, or its start
constexpr std::chrono::seconds kDomainPatience{1}; // all guests wait while one domain lingers

std::string const kTooQuick = " has ended within " + std::to_string(kQuickSeconds) + " s of its start more than " +
                              std::to_string(kMaxQuickRestarts) + " times in a row: ";

std::string lock_path(Registry const& registry)
{
    return registry.root() + "/supervise.lock";
}

struct flock whole_file(short type)
{
    struct flock lock = {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    return lock;
}

UniqueFd signals_as_file()
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    return UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC));
}

EndAction action_for(ShutdownReason reason, GuestConfig const& config)
{
    switch (reason)
    {
    case ShutdownReason::PowerOff: return config.on_poweroff;
    case ShutdownReason::Reboot: return config.on_reboot;
    case ShutdownReason::Watchdog: return config.on_watchdog;
    default: return config.on_crash;
    }
}

std::string describe(GuestRecord const& record)
{
    return "guest '" + record.config.name + "' (domain " + std::to_string(record.domain) + ")";
}

} // namespace

Supervisor::Supervisor(Host& host, SupervisorOptions options, Log log)
    : host_(host), options_(std::move(options)), log_(std::move(log)), ended_(host.registry.root())
{
    make_directories(host_.registry.root());
    instance_lock_ = open_file(lock_path(host_.registry), O_RDWR | O_CREAT);
    struct flock lock = whole_file(F_WRLCK);
    if (::fcntl(instance_lock_.get(), F_OFD_SETLK, &lock) != 0)
    {
        throw Error(ExitCode::WrongState, "a supervisor is running already");
    }
}

bool Supervisor::is_running(Registry const& registry)
{
    UniqueFd const fd(::open(lock_path(registry).c_str(), O_RDWR | O_CLOEXEC));
    struct flock lock = whole_file(F_WRLCK); // only asked about: a lock of ours could keep a supervisor from starting
    return fd && ::fcntl(fd.get(), F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

void Supervisor::run(std::function<void()> const& ready)
{
    UniqueFd const signals = signals_as_file();
    UniqueFd const registry_events = watch_locks(host_.registry);
    StoreBatch batch;
    add_host_nodes(batch);
    host_.store.run(batch);
    host_.store.watch("@releaseDomain", kToken);
    sweep();
    ready();
    for (;;)
    {
        pollfd entries[] = {{host_.store.wait_fd(), POLLIN, 0},
                            {signals.get(), POLLIN, 0},
                            {registry_events.get(), POLLIN, 0},
                            {host_.store.hang_up_fd(), POLLIN, 0}};
        int const timeout = host_.store.has_events() ? 0 : wait_milliseconds();
        int const ready_count = ::poll(entries, std::size(entries), timeout);
        if (ready_count < 0 && errno != EINTR)
        {
            throw system_error("waiting for events", errno);
        }
        if (entries[3].revents != 0)
        {
            throw Error(ExitCode::Unreachable, "the store daemon hung up", "start the supervisor again with the store");
        }
        if (entries[1].revents != 0)
        {
            return;
        }
        bool everything = ready_count <= 0; // the time has come to look again
        std::vector<DomainId> const freed = read_lock_events(registry_events, everything);
        while (host_.store.take_event())
        {
            everything = true;
        }
        if (everything)
        {
            sweep();
        }
        else
        {
            look_at_some(freed);
        }
    }
}

/// How long to wait if nothing happens.
int Supervisor::wait_milliseconds() const
{
    if (look_again_)
    {
        return kLookAgainMilliseconds; // the kernel tells of a closed lock file just before it lets go of the lock
    }
    bool const later = !lingering_.empty() || !failed_restarts_.empty();
    return later ? static_cast<int>(std::chrono::milliseconds(kTryAgain).count()) : -1;
}

/// Looks at every domain that has stopped and every record whose domain is gone or was never completed.
void Supervisor::sweep()
{
    look_again_ = false;
    std::vector<DomainInfo> const domains = host_.hypervisor.domains();
    std::vector<DomainId> orphans;
    for (DomainId const id : host_.registry.list())
    {
        auto const at = std::lower_bound(domains.begin(), domains.end(), id,
                                         [](DomainInfo const& info, DomainId wanted) { return info.id < wanted; });
        if (at == domains.end() || at->id != id)
        {
            orphans.push_back(id);
        }
        else
        {
            attempt(id, [&] { look_at(*at); });
        }
    }
    for (DomainId const id : orphans)
    {
        attempt(id, [&] { look_at_orphan(id); });
    }
    std::erase_if(lingering_, [&](auto const& entry) {
        auto const has_id = [&](DomainInfo const& info) { return info.id == entry.first; };
        return !host_.registry.has_record(entry.first) && std::none_of(domains.begin(), domains.end(), has_id);
    });
    for (Uuid const& uuid : host_.registry.announced())
    {
        look_at_announced(uuid, domains);
    }
    try_restarts();
}

/// The same for a few guests, whose locks were let go.
void Supervisor::look_at_some(std::vector<DomainId> const& ids)
{
    for (DomainId const id : ids)
    {
        attempt(id, [&] {
            auto const info = host_.hypervisor.domain(id);
            info ? look_at(*info) : look_at_orphan(id);
        });
    }
    try_restarts();
}

/// What goes wrong with one guest is told once, and tried again later; the others do not wait for it.
template<typename Action>
void Supervisor::attempt(DomainId domain, Action action)
{
    auto const before = lingering_.find(domain);
    if (before != lingering_.end() && Clock::now() < before->second.at + kTryAgain)
    {
        return;
    }
    try
    {
        action();
        lingering_.erase(domain);
    }
    catch (std::exception const& error)
    {
        Failure& failure = lingering_[domain];
        if (failure.what != error.what())
        {
            log_("error: domain " + std::to_string(domain) + ": " + error.what());
        }
        failure = {Clock::now(), error.what()};
    }
}

/// Takes away a domain whose maker was killed before it could write the record.
void Supervisor::look_at_announced(Uuid const& uuid, std::vector<DomainInfo> const& domains)
{
    auto const lock = host_.registry.try_lock_announced(uuid);
    if (!lock)
    {
        look_again_ = true;
        return;
    }
    auto const at = std::find_if(domains.begin(), domains.end(), [&](DomainInfo const& info) {
        return info.uuid == uuid && !info.dying && !host_.registry.has_record(info.id);
    });
    if (at != domains.end())
    {
        attempt(at->id, [&] {
            log_("cleaning up after domain " + std::to_string(at->id) + ": its creation was broken off");
            destroy_guest(host_, at->id, uuid, kDomainPatience);
        });
    }
    if (at == domains.end() || !lingering_.contains(at->id))
    {
        host_.registry.unannounce(uuid);
    }
}

void Supervisor::look_at_orphan(DomainId id)
{
    if (auto const record = read_if_free(id))
    {
        end(*record, "its domain is gone");
    }
}

/// The record of a guest that nobody is at work on.
std::optional<GuestRecord> Supervisor::read_if_free(DomainId domain)
{
    auto const lock = host_.registry.try_lock_guest(domain);
    if (!lock)
    {
        look_again_ = true;
        return std::nullopt;
    }
    auto record = host_.registry.read(domain);
    if (!record)
    {
        host_.registry.forget_lock(domain); // its guest went while we looked
    }
    return record;
}

void Supervisor::look_at(DomainInfo const& info)
{
    bool const ended = info.shut_down || info.dying;
    if (!ended && !info.paused)
    {
        return; // a creation that was left half done would be paused
    }
    auto record = host_.registry.read(info.id);
    if (!record || record->phase == GuestRecord::Phase::Preserved ||
        (!ended && record->phase != GuestRecord::Phase::Building))
    {
        return;
    }
    record = read_if_free(info.id); // its maker may have completed it since the first look
    bool const building = record && record->phase == GuestRecord::Phase::Building;
    if (!record || (!ended && !building))
    {
        return;
    }
    if (record->config.uuid != info.uuid)
    {
        end(*record, "its domain is gone");
    }
    else if (building || info.dying)
    {
        end(*record, building ? "its creation was broken off" : "it was destroyed");
    }
    else if (info.shut_down && info.reason != ShutdownReason::Suspend)
    {
        handle_end(info, *record);
    }
}

void Supervisor::end(GuestRecord const& record, std::string const& why)
{
    if (!lingering_.contains(record.domain))
    {
        log_("cleaning up after domain " + std::to_string(record.domain) + ": " + why);
    }
    destroy_guest(host_, record.domain, *record.config.uuid, kDomainPatience);
}

/// For those who ask later; that it cannot be written down keeps nobody from being ended or started.
void Supervisor::note(std::string const& name, DomainId domain, std::string const& how)
{
    try
    {
        ended_.add(name, domain, how);
    }
    catch (std::exception const& error)
    {
        log_(std::string("error: ") + error.what());
    }
}

void Supervisor::handle_end(DomainInfo const& info, GuestRecord const& record)
{
    EndAction const action = action_for(info.reason, record.config);
    if (!lingering_.contains(info.id))
    {
        std::string const how = to_string(info.reason) + "; action: " + to_string(action);
        log_(describe(record) + " ended: " + how);
        note(record.config.name, info.id, how);
    }
    act(info, record, action);
}

void Supervisor::act(DomainInfo const& info, GuestRecord const& record, EndAction action)
{
    switch (action)
    {
    case EndAction::CoredumpDestroy: dump(info, record); [[fallthrough]];
    case EndAction::Destroy: destroy_guest(host_, info.id, info.uuid, kDomainPatience); return;
    case EndAction::CoredumpRestart: dump(info, record); [[fallthrough]];
    case EndAction::Restart: restart(info, record); return;
    case EndAction::RenameRestart: rename_and_restart(record); return;
    case EndAction::Preserve: preserve(record); return;
    }
}

/// A dump that cannot be written does not keep the guest from being destroyed or restarted.
void Supervisor::dump(DomainInfo const& info, GuestRecord const& record)
{
    std::string const path =
        options_.dump_directory + "/" + record.config.name + "-" + std::to_string(std::time(nullptr)) + ".core";
    try
    {
        make_directories(options_.dump_directory);
        host_.hypervisor.dump_core(info.id, path);
        log_(describe(record) + " dumped to " + path);
    }
    catch (std::exception const& error)
    {
        log_("error: " + describe(record) + ": no dump: " + error.what());
    }
}

void Supervisor::restart(DomainInfo const& info, GuestRecord const& record)
{
    auto const quick_restarts = quick_restarts_after(record, std::time(nullptr));
    GuestRecord wanted = record;
    wanted.quick_restarts = quick_restarts.value_or(0);
    if (quick_restarts)
    {
        host_.registry.write_restart(wanted); // from here on it is started again even if we are not there to do it
    }
    if (!destroy_guest(host_, info.id, info.uuid, kDomainPatience))
    {
        host_.registry.forget_restart(record.config.name);
        return; // destroyed by a user at the same moment: that wish goes first
    }
    if (quick_restarts)
    {
        start_again(wanted);
        return;
    }
    log_(describe(record) + kTooQuick + "not started again");
    note(record.config.name, record.domain, "ended too quickly too often; not started again");
}

void Supervisor::preserve(GuestRecord const& record)
{
    auto const lock = host_.registry.lock_guest(record.domain);
    if (auto current = read_same(record))
    {
        current->phase = GuestRecord::Phase::Preserved;
        host_.registry.write(*current);
    }
}

/// The guest's record as it is now, which the caller has locked; nothing if a user has ended the guest meanwhile.
std::optional<GuestRecord> Supervisor::read_same(GuestRecord const& record)
{
    auto current = host_.registry.read(record.domain);
    if (!current || current->config.uuid != record.config.uuid)
    {
        host_.registry.forget_lock(record.domain);
        return std::nullopt;
    }
    return current;
}

void Supervisor::rename_and_restart(GuestRecord const& record)
{
    auto const quick_restarts = quick_restarts_after(record, std::time(nullptr));
    if (!quick_restarts)
    {
        log_(describe(record) + kTooQuick + "kept as it is, not started again");
        note(record.config.name, record.domain, "ended too quickly too often; kept, not started again");
        preserve(record);
        return;
    }
    GuestRecord wanted = record;
    wanted.quick_restarts = *quick_restarts;
    wanted.config.uuid = random_uuid(); // the old identity stays with what is preserved
    std::string const kept_name = record.config.name + "-" + std::to_string(record.domain);
    {
        auto const lock = host_.registry.lock_guest(record.domain);
        auto current = read_same(record);
        if (!current)
        {
            return;
        }
        host_.registry.write_restart(wanted);
        strip_guest(host_, *current, kept_name);
    }
    log_(describe(record) + " is kept as '" + kept_name + "'");
    start_again(wanted);
}

/// Starts what write_restart() has remembered; what fails stays remembered.
void Supervisor::start_again(GuestRecord const& wanted)
{
    std::string const& name = wanted.config.name;
    try
    {
        CreateOptions options;
        options.quick_restarts = wanted.quick_restarts;
        options.interruptible = false; // we wait for these signals ourselves, and end when the guest is there
        GuestRecord const fresh = create_guest(host_, wanted.config, options);
        host_.registry.forget_restart(name);
        failed_restarts_.erase(name);
        log_(describe(fresh) + " started again");
    }
    catch (std::exception const& error)
    {
        Failure& failure = failed_restarts_[name];
        if (failure.what != error.what())
        {
            log_("error: guest '" + name + "' cannot be started again, will be tried again: " + error.what());
            note(name, wanted.domain, std::string("not started again yet: ") + error.what());
        }
        failure = {Clock::now(), error.what()};
    }
}

/// Starts the guests whose restart failed or was broken off, unless a user was faster.
void Supervisor::try_restarts()
{
    for (std::string const& name : host_.registry.restarts())
    {
        auto const failed = failed_restarts_.find(name);
        if (failed != failed_restarts_.end() && Clock::now() < failed->second.at + kTryAgain)
        {
            continue;
        }
        try
        {
            auto const wanted = host_.registry.read_restart(name);
            if (wanted && !host_.registry.name_is_taken(name, host_.liveness()))
            {
                start_again(*wanted);
                continue;
            }
        }
        catch (std::exception const& error)
        {
            log_("error: guest '" + name + "' cannot be started again: " + error.what());
        }
        host_.registry.forget_restart(name);
    }
    auto const left = host_.registry.restarts();
    std::erase_if(failed_restarts_,
                  [&](auto const& entry) { return std::find(left.begin(), left.end(), entry.first) == left.end(); });
}

} // namespace vm
