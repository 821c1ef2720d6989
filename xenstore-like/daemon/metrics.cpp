// SPDX-License-Identifier: MIT
// Implements the metrics endpoint.
#include "daemon/metrics.hpp"

#include <map>
#include <sys/socket.h>

namespace tessera::store {

namespace {

void line(std::string& out, std::string_view name, std::string const& labels, std::uint64_t value)
{
    out += "tessera_store_";
    out += name;
    if (!labels.empty()) {
        out += "{" + labels + "}";
    }
    out += " " + std::to_string(value) + "\n";
}

}  // namespace

std::string metrics_text(Store const& store)
{
    std::string out;
    line(out, "nodes", "", store.nodes().node_count());
    line(out, "node_bytes", "", store.nodes().reserved_bytes());
    line(out, "watches", "", store.watch_count());
    line(out, "domains", "", store.domains().size());
    line(out, "clients", "", store.clients().size());
    std::map<std::pair<std::uint16_t, std::uint32_t>, std::uint64_t> requests;
    std::map<std::uint16_t, std::uint64_t> errors;
    for (auto const& [id, client] : store.clients()) {
        for (std::uint32_t operation = 0; operation < kOperationCount; ++operation) {
            if (client->operations[operation] != 0) {
                requests[{client->domain, operation}] += client->operations[operation];
            }
        }
        errors[client->domain] += client->errors;
    }
    for (auto const& [key, count] : requests) {
        line(out, "requests_total",
             "domain=\"" + std::to_string(key.first) + "\",operation=\"" + std::string(operation_name(key.second)) + "\"", count);
    }
    for (auto const& [domain, count] : errors) {
        line(out, "errors_total", "domain=\"" + std::to_string(domain) + "\"", count);
    }
    return out;
}

MetricsServer::MetricsServer(EventLoop& loop, Store const& store, FileDescriptor listener)
    : loop_(loop), store_(store), listener_(std::move(listener))
{
    loop_.add(listener_.get(), EPOLLIN, *this);
}

MetricsServer::~MetricsServer()
{
    loop_.remove(listener_.get(), *this);
}

void MetricsServer::on_ready(std::uint32_t)
{
    FileDescriptor const client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (client.valid()) {
        std::string const text = metrics_text(store_);
        int const size = static_cast<int>(text.size());
        ::setsockopt(client.get(), SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        [[maybe_unused]] ssize_t const sent = ::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}

}  // namespace tessera::store
