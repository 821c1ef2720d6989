// SPDX-License-Identifier: MIT
// Notices that guests end and does what their configuration asks for: one process for all guests.
#pragma once

#include "domain/lifecycle.hpp"
#include "supervise/ended_log.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vm
{

struct SupervisorOptions
{
    std::string dump_directory = "/var/lib/tessera/dump";
};

class Supervisor
{
public:
    using Log = std::function<void(std::string const&)>;

    /// Throws Error(WrongState) if another supervisor runs.
    Supervisor(Host& host, SupervisorOptions options, Log log);

    /// Serves until SIGTERM or SIGINT; throws Error(Unreachable) when the store daemon ends: whoever keeps both running
    /// starts it again, and it catches up. Calls `ready` when it has caught up with what happened before.
    void run(std::function<void()> const& ready);

    /// Whether a supervisor serves this registry.
    static bool is_running(Registry const& registry);

private:
    void sweep();
    void look_at_some(std::vector<DomainId> const& ids);
    void look_at_orphan(DomainId id);
    void look_at_announced(Uuid const& uuid, std::vector<DomainInfo> const& domains);
    void look_at(DomainInfo const& info);
    std::optional<GuestRecord> read_if_free(DomainId domain);
    void handle_end(DomainInfo const& info, GuestRecord const& record);
    void act(DomainInfo const& info, GuestRecord const& record, EndAction action);
    void dump(DomainInfo const& info, GuestRecord const& record);
    void restart(DomainInfo const& info, GuestRecord const& record);
    void preserve(GuestRecord const& record);
    void rename_and_restart(GuestRecord const& record);
    void start_again(GuestRecord const& wanted);
    void try_restarts();
    int wait_milliseconds() const;
    std::optional<GuestRecord> read_same(GuestRecord const& record);
    void note(std::string const& name, DomainId domain, std::string const& how);
    void end(GuestRecord const& record, std::string const& why);

    Host& host_;
    SupervisorOptions options_;
    Log log_;
    EndedLog ended_;
    UniqueFd instance_lock_;
    using Clock = std::chrono::steady_clock;

    struct Failure
    {
        Clock::time_point at;
        std::string what;
    };

    template<typename Action>
    void attempt(DomainId domain, Action action);

    std::map<DomainId, Failure> lingering_;          ///< guests that could not be ended; looked at again later
    std::map<std::string, Failure> failed_restarts_; ///< by name: what to start again later
    bool look_again_ = false; ///< the last sweep passed over a guest that somebody else was at work on
};

} // namespace vm
