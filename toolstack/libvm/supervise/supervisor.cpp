// SPDX-License-Identifier: MIT
// Sweeps over what has ended whenever the store or the registry says that something has; idle otherwise.
#include "supervise/supervisor.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace vm
{
namespace
{

constexpr char kToken[] = "release";
constexpr int kLookAgainMilliseconds = 200;
constexpr std::int64_t kQuickSeconds = 10;
constexpr std::uint32_t kMaxQuickRestarts = 5;

std::string lock_path(Registry const& registry)
{
    return registry.root() + "/supervise.lock";
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

/// Tells when a guest's lock is let go, also because its holder died. (Our own look at a lock, read-only, is no event.)
UniqueFd watch_guests(Registry const& registry)
{
    make_directories(registry.lock_directory());
    UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!fd || ::inotify_add_watch(fd.get(), registry.lock_directory().c_str(), IN_CLOSE_WRITE) < 0)
    {
        throw system_error("cannot watch the registry", errno);
    }
    return fd;
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
    if (::flock(instance_lock_.get(), LOCK_EX | LOCK_NB) != 0)
    {
        throw Error(ExitCode::WrongState, "a supervisor is running already");
    }
}

bool Supervisor::is_running(Registry const& registry)
{
    UniqueFd const fd(::open(lock_path(registry).c_str(), O_RDWR | O_CLOEXEC));
    return fd && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

void Supervisor::run(std::function<void()> const& ready)
{
    UniqueFd const signals = signals_as_file();
    UniqueFd const registry_events = watch_guests(host_.registry);
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
        // The kernel tells of a closed lock file just before it lets go of the lock: then a second look is needed.
        int const timeout = host_.store.has_events() ? 0 : look_again_ ? kLookAgainMilliseconds : -1;
        if (::poll(entries, std::size(entries), timeout) < 0 && errno != EINTR)
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
        char buffer[4096];
        while (::read(registry_events.get(), buffer, sizeof buffer) > 0)
        {
        }
        while (host_.store.take_event())
        {
        }
        sweep();
    }
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
            look_at(*at);
        }
    }
    for (DomainId const id : orphans)
    {
        if (auto const record = read_if_free(id))
        {
            end(id, *record->config.uuid, "its domain is gone");
        }
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
        end(info.id, *record->config.uuid, "its domain is gone");
    }
    else if (building || info.dying)
    {
        end(info.id, info.uuid, building ? "its creation was broken off" : "it was destroyed");
    }
    else if (info.shut_down && info.reason != ShutdownReason::Suspend)
    {
        handle_end(info, *record);
    }
}

void Supervisor::end(DomainId domain, Uuid const& uuid, std::string const& why)
{
    try
    {
        log_("cleaning up after domain " + std::to_string(domain) + ": " + why);
        destroy_guest(host_, domain, uuid);
    }
    catch (Error const& error)
    {
        log_(std::string("error: ") + error.what());
    }
}

void Supervisor::handle_end(DomainInfo const& info, GuestRecord const& record)
{
    EndAction const action = action_for(info.reason, record.config);
    std::string const how = to_string(info.reason) + "; action: " + to_string(action);
    log_(describe(record) + " ended: " + how);
    try
    {
        ended_.add(record.config.name, info.id, how);
        act(info, record, action);
    }
    catch (Error const& error)
    {
        log_("error: " + describe(record) + ": " + error.what());
    }
}

void Supervisor::act(DomainInfo const& info, GuestRecord const& record, EndAction action)
{
    switch (action)
    {
    case EndAction::CoredumpDestroy: dump(info, record); [[fallthrough]];
    case EndAction::Destroy: destroy_guest(host_, info.id, info.uuid); return;
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
    catch (Error const& error)
    {
        log_("error: " + describe(record) + ": no dump: " + error.what());
    }
}

void Supervisor::restart(DomainInfo const& info, GuestRecord const& record)
{
    bool const quick = std::time(nullptr) - record.created_at < kQuickSeconds;
    std::uint32_t const quick_restarts = quick ? record.quick_restarts + 1 : 0;
    if (!destroy_guest(host_, info.id, info.uuid))
    {
        return; // destroyed by a user at the same moment: that wish goes first
    }
    if (quick_restarts > kMaxQuickRestarts)
    {
        log_(describe(record) + " has ended within " + std::to_string(kQuickSeconds) + " s of its start " +
             std::to_string(quick_restarts) + " times in a row: not started again");
        return;
    }
    CreateOptions options;
    options.quick_restarts = quick_restarts;
    GuestRecord const fresh = create_guest(host_, record.config, options);
    log_(describe(fresh) + " started again");
}

void Supervisor::preserve(GuestRecord record)
{
    auto const lock = host_.registry.lock_guest(record.domain);
    record.phase = GuestRecord::Phase::Preserved;
    host_.registry.write(record);
}

void Supervisor::rename_and_restart(GuestRecord record)
{
    GuestConfig config = record.config;
    config.uuid.reset(); // the old identity stays with what is preserved
    {
        auto const lock = host_.registry.lock_guest(record.domain);
        strip_guest(host_, record, config.name + "-" + std::to_string(record.domain));
    }
    GuestRecord const fresh = create_guest(host_, config, {});
    log_(describe(fresh) + " started again; the ended one is kept as '" + record.config.name + "'");
}

} // namespace vm
