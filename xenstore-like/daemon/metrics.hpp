// SPDX-License-Identifier: MIT
// Answers everyone who connects to a Unix socket with the store's counters as text, and closes.
#pragma once

#include "service/store.hpp"
#include "transport/event_loop.hpp"

#include <string>

namespace tessera::store {

// The counters, one "name{labels} value" a line, in the text form that Prometheus reads.
std::string metrics_text(Store const& store);

class MetricsServer final : public Pollable {
public:
    MetricsServer(EventLoop& loop, Store const& store, FileDescriptor listener);
    ~MetricsServer() override;

    void on_ready(std::uint32_t events) override;

private:
    EventLoop& loop_;
    Store const& store_;
    FileDescriptor listener_;
};

}  // namespace tessera::store
