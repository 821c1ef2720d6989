// SPDX-License-Identifier: MIT
// Answers everyone who connects to a Unix socket with the store's counters as text, and closes.
#pragma once

#include "service/store.hpp"
#include "transport/event_loop.hpp"

#include <memory>
#include <string>
#include <vector>

namespace tessera::store
{

// The counters, one "name{labels} value" a line, in the text form that Prometheus reads.
std::string metrics_text(Store const& store);

class MetricsServer final : public Pollable
{
public:
    MetricsServer(EventLoop& loop, Store const& store, FileDescriptor listener);
    ~MetricsServer() override;

    void on_ready(std::uint32_t events) override;

private:
    // Someone who has not read everything yet.
    class Reader final : public Pollable
    {
    public:
        Reader(MetricsServer& server, FileDescriptor socket, std::string text)
            : server_(server), socket_(std::move(socket)), text_(std::move(text))
        {
        }
        // Sends what fits. False when everything is sent or the reader has gone.
        bool send();
        void on_ready(std::uint32_t events) override;
        [[nodiscard]] int descriptor() const { return socket_.get(); }

    private:
        MetricsServer& server_;
        FileDescriptor socket_;
        std::string text_;
        std::size_t sent_ = 0;
    };

    static constexpr std::size_t kMostReaders = 16;

    void drop(Reader const& reader);

    EventLoop& loop_;
    Store const& store_;
    FileDescriptor listener_;
    std::vector<std::unique_ptr<Reader>> readers_; // the longest waiting first
};

} // namespace tessera::store
