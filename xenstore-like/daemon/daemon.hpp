// SPDX-License-Identifier: MIT
// Joins the store with its transports and runs them.
#pragma once

#include "daemon/live_update.hpp"
#include "daemon/metrics.hpp"
#include "daemon/options.hpp"
#include "journal/journal.hpp"
#include "service/store.hpp"
#include "transport/ring_server.hpp"
#include "transport/socket_server.hpp"

#include <memory>

namespace tessera::store
{

class Daemon final : public Pollable, public ControlHost, public Observer
{
public:
    // Opens everything that can fail. `arguments` are the program's own, for live updates.
    // Throws std::runtime_error with the cause.
    Daemon(Options const& options, std::vector<std::string> arguments, Log& log);
    ~Daemon() override;

    // Runs until SIGTERM or SIGINT.
    void run();

    void on_ready(std::uint32_t events) override; // signals
    bool control(std::vector<std::string_view> const& arguments, std::string& answer) override;
    void request_begins(Client const& client, Request const& request) override;
    void message_queued(Client const& client, std::uint32_t type, std::string_view first,
                        std::string_view second) override;
    void client_gone(Client const& client) override;
    void domain_event(DomainEvent event, std::uint16_t domain) override;

private:
    void create_first_nodes();
    void recover(RecoveredRings& rings);
    void connect_domains(RecoveredRings const& rings);
    void flush_clients();
    void set_log_level(LogLevel level);
    [[nodiscard]] std::vector<std::string> log_settings() const;
    bool control_log(std::vector<std::string_view> const& arguments, std::string& answer);
    void watch_journal();

    Options const& options_;
    Log& log_;
    EventLoop loop_;
    std::unique_ptr<Hypervisor> hypervisor_;
    Store store_;
    std::unique_ptr<Journal> journal_;
    std::unique_ptr<RingServer> rings_;
    std::unique_ptr<SocketServer> sockets_;
    std::unique_ptr<MetricsServer> metrics_;
    LiveUpdate live_update_;
    FileDescriptor signals_;
    std::uint64_t refused_reported_ = 0;
    bool stop_ = false;
};

} // namespace tessera::store
