// SPDX-License-Identifier: MIT
// Implements the metrics endpoint.
#include "daemon/metrics.hpp"

#include <algorithm>
#include <cerrno>
#include <map>
#include <sys/socket.h>

namespace tessera::store
{

namespace
{

void line(std::string& out, std::string_view name, std::string const& labels, std::uint64_t value)
{
    out += "tessera_store_";
    out += name;
    if (!labels.empty())
    {
        out += "{" + labels + "}";
    }
    out += " " + std::to_string(value) + "\n";
}

} // namespace

std::string metrics_text(Store const& store)
{
    std::string out;
    line(out, "nodes", "", store.nodes().node_count());
    line(out, "node_bytes", "", store.nodes().reserved_bytes());
    line(out, "watches", "", store.watch_count());
    line(out, "domains", "", store.domains().size());
    line(out, "clients", "", store.clients().size());
    for (auto const& [domain, account] : store.accounts().all())
    {
        std::string const label = "domain=\"" + std::to_string(domain) + "\"";
        line(out, "domain_nodes", label, static_cast<std::uint64_t>(account.nodes));
        line(out, "domain_bytes", label, static_cast<std::uint64_t>(account.bytes()));
        line(out, "domain_watches", label, static_cast<std::uint64_t>(account.watches));
    }
    std::map<std::pair<std::uint16_t, std::uint32_t>, std::uint64_t> requests;
    std::map<std::uint16_t, std::uint64_t> errors;
    auto const add = [&](std::uint16_t domain, Counters const& counters) {
        for (std::uint32_t operation = 0; operation < kOperationCount; ++operation)
        {
            if (counters.operations[operation] != 0)
            {
                requests[{domain, operation}] += counters.operations[operation];
            }
        }
        errors[domain] += counters.errors;
    };
    add(0, store.ended_sockets());
    for (auto const& [id, client] : store.clients())
    {
        add(client->domain, *client);
    }
    for (auto const& [key, count] : requests)
    {
        line(out, "requests_total",
             "domain=\"" + std::to_string(key.first) + "\",operation=\"" + std::string(operation_name(key.second)) +
                 "\"",
             count);
    }
    for (auto const& [domain, count] : errors)
    {
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
    while (!readers_.empty())
    {
        drop(*readers_.front());
    }
}

// A reader that takes its time keeps its text; one too many makes the oldest go, so readers cannot use up memory.
void MetricsServer::on_ready(std::uint32_t)
{
    FileDescriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket.valid())
    {
        return;
    }
    auto reader = std::make_unique<Reader>(*this, std::move(socket), metrics_text(store_));
    if (!reader->send())
    {
        return;
    }
    if (readers_.size() == kMostReaders)
    {
        drop(*readers_.front());
    }
    loop_.add(reader->descriptor(), EPOLLOUT, *reader);
    readers_.push_back(std::move(reader));
}

void MetricsServer::drop(Reader const& reader)
{
    auto const found =
        std::find_if(readers_.begin(), readers_.end(), [&](auto const& one) { return one.get() == &reader; });
    loop_.remove(reader.descriptor(), **found);
    readers_.erase(found);
}

bool MetricsServer::Reader::send()
{
    while (sent_ < text_.size())
    {
        ssize_t const count =
            ::send(socket_.get(), text_.data() + sent_, text_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0)
        {
            return errno == EAGAIN || errno == EINTR;
        }
        sent_ += static_cast<std::size_t>(count);
    }
    return false;
}

void MetricsServer::Reader::on_ready(std::uint32_t)
{
    if (!send())
    {
        server_.drop(*this);
    }
}

} // namespace tessera::store
