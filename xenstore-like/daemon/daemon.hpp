// SPDX-License-Identifier: MIT
// Joins the store with its transports and runs them.
#pragma once

#include "daemon/options.hpp"
#include "service/store.hpp"
#include "transport/ring_server.hpp"
#include "transport/socket_server.hpp"

#include <memory>

namespace tessera::store {

class Daemon final : public Pollable, public ControlHost {
public:
    // Opens everything that can fail. Throws std::runtime_error with the cause.
    Daemon(Options const& options, Log& log);
    ~Daemon() override;

    // Runs until SIGTERM or SIGINT.
    void run();

    void on_ready(std::uint32_t events) override;  // signals
    bool control(std::vector<std::string_view> const& arguments, std::string& answer) override;

private:
    void create_first_nodes();
    void flush_clients();

    Options const& options_;
    Log& log_;
    EventLoop loop_;
    std::unique_ptr<Hypervisor> hypervisor_;
    Store store_;
    std::unique_ptr<RingServer> rings_;
    std::unique_ptr<SocketServer> sockets_;
    FileDescriptor signals_;
    bool stop_ = false;
};

}  // namespace tessera::store
