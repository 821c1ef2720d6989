// SPDX-License-Identifier: MIT
// Implements the daemon's life: start, the loop, control commands and the end.
#include "daemon/daemon.hpp"

#include "transport/xen_hypervisor.hpp"

#include <csignal>
#include <stdexcept>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace tessera::store
{

namespace
{

HashKey random_key()
{
    HashKey key;
    if (::getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key))
    {
        throw std::runtime_error("the kernel gives no random numbers");
    }
    key.first |= 1;
    key.second |= 1;
    return key;
}

FileDescriptor catch_signals()
{
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGTERM);
    ::sigaddset(&set, SIGINT);
    ::sigaddset(&set, SIGHUP);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    return FileDescriptor(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

std::string client_fields(Client const& client)
{
    return "client=" + std::to_string(client.id) + " domain=" + std::to_string(client.domain) +
           " via=" + (client.socket ? "socket" : "ring");
}

} // namespace

Daemon::Daemon(Options const& options, std::vector<std::string> arguments, Log& log)
    : options_(options), log_(log), store_({.key = random_key()}), live_update_(std::move(arguments), options.state),
      signals_(catch_signals())
{
    RecoveredRings rings;
    Handover handover;
    store_.set_control_host(this);
    store_.set_observer(this);
    set_log_level(log.level());
    if (!options.state.empty())
    {
        journal_ = std::make_unique<Journal>(options.state);
    }
    if (options.handover >= 0)
    {
        LiveUpdate::load(options.handover, store_, rings, handover);
    }
    else
    {
        recover(rings);
    }
    if (journal_ != nullptr)
    {
        journal_->start(store_, rings);
        store_.set_commit_log(journal_.get());
    }
    FileDescriptor listener =
        handover.listener >= 0 ? FileDescriptor(handover.listener) : SocketServer::listen_at(options.socket);
    sockets_ = std::make_unique<SocketServer>(loop_, store_, std::move(listener));
    for (auto const& socket : handover.sockets)
    {
        auto& connection = sockets_->adopt(FileDescriptor(socket.descriptor));
        Client& client = connection.client();
        client.recovered = true;
        client.output.restore(socket.output);
        for (auto const& watch : socket.watches)
        {
            store_.restore_watch(client, watch.path, watch.token, watch.prefix, watch.depth);
        }
        store_.fire_all(client);
        connection.restore_input(socket.input);
        connection.resume_input();
    }
    if (!options.metrics.empty())
    {
        metrics_ = std::make_unique<MetricsServer>(loop_, store_, SocketServer::listen_at(options.metrics));
    }
    loop_.add(signals_.get(), EPOLLIN, *this);
    if (options.domains)
    {
        connect_domains(rings);
    }
}

Daemon::~Daemon()
{
    loop_.remove(signals_.get(), *this);
    ::unlink(options_.socket.c_str());
    if (!options_.metrics.empty())
    {
        ::unlink(options_.metrics.c_str());
    }
}

void Daemon::recover(RecoveredRings& rings)
{
    std::size_t const records = journal_ == nullptr ? 0 : journal_->recover(store_, rings);
    if (records == 0)
    {
        create_first_nodes();
    }
    else
    {
        log_.write(LogLevel::Info, "recovered",
                   "records=" + std::to_string(records) + " nodes=" + std::to_string(store_.nodes().node_count()) +
                       " domains=" + std::to_string(store_.domains().size()));
    }
}

// Connects the control domain's kernel and every domain that an earlier daemon served.
void Daemon::connect_domains(RecoveredRings const& rings)
{
    hypervisor_ = std::make_unique<XenHypervisor>();
    rings_ = std::make_unique<RingServer>(loop_, store_, *hypervisor_, journal_.get());
    store_.set_domain_host(rings_.get());
    if (journal_ != nullptr)
    {
        journal_->set_ring_source([this](std::string& out) {
            rings_->for_each_state(
                [&](std::uint16_t domain, RecoveredRing const& ring) { encode_ring(domain, ring, out); });
        });
    }
    std::uint32_t const control_port = hypervisor_->control_domain_port();
    std::vector<std::uint16_t> gone;
    for (auto const& [id, domain] : store_.domains())
    {
        auto const ring = rings.find(id);
        RecoveredRing const known = ring == rings.end() ? RecoveredRing() : ring->second;
        if (rings_->reattach(*domain.client, domain.frame, id == 0 ? control_port : domain.port, known) != 0)
        {
            gone.push_back(id);
        }
        else
        {
            store_.fire_all(*domain.client);
        }
    }
    store_.domains_ended(gone, {});
    if (control_port != 0 && store_.domain(0) == nullptr)
    {
        if (int const error = store_.introduce(0, 0, control_port); error != 0)
        {
            throw std::runtime_error("cannot connect the control domain's kernel: " + std::string(error_name(error)));
        }
    }
    rings_->scan_domains();
}

void Daemon::create_first_nodes()
{
    for (std::string_view const path : {"/tool", "/tool/xenstored"})
    {
        store_.restore_change({ChangeKind::MakeDirectory, path, {}, nullptr, 0});
    }
}

void Daemon::on_ready(std::uint32_t)
{
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info))
    {
        if (info.ssi_signo == SIGHUP)
        {
            log_.reopen();
        }
        else
        {
            stop_ = true;
        }
    }
}

// Events queued for other clients than the one being served leave here.
void Daemon::flush_clients()
{
    while (Client* const client = store_.take_dirty())
    {
        if (client->socket)
        {
            static_cast<SocketConnection*>(client->transport)->flush();
        }
        else if (rings_ != nullptr && client->transport != nullptr)
        {
            rings_->flush(*client);
        }
        else
        { // a domain that was introduced without a hypervisor
            client->output.clear();
        }
    }
}

void Daemon::run()
{
    bool busy = false;
    while (!stop_)
    {
        loop_.run_once(busy ? 0 : -1);
        if (rings_ != nullptr)
        {
            rings_->run_ready();
        }
        flush_clients();
        if (journal_ != nullptr && journal_->refused() != refused_reported_)
        {
            watch_journal();
        }
        busy = (rings_ != nullptr && rings_->has_ready()) || (journal_ != nullptr && journal_->maintain(store_));
        if (live_update_.wanted())
        {
            log_.write(LogLevel::Info, "live-update");
            std::string const cause = live_update_.execute(store_, *sockets_, rings_.get(), log_settings());
            log_.write(LogLevel::Error, "live-update-failed", "cause=" + quote_text(cause));
        }
    }
    log_.write(LogLevel::Info, "stop");
}

// What "xenstore-control log" and "logfile" may have changed, as words of the command line.
std::vector<std::string> Daemon::log_settings() const
{
    std::vector<std::string> words = {"--log-level", std::string(log_level_name(log_.level()))};
    if (!log_.path().empty())
    {
        words.insert(words.end(), {"--log", log_.path()});
    }
    return words;
}

void Daemon::set_log_level(LogLevel level)
{
    log_.set_level(level);
    store_.set_trace(log_.enabled(LogLevel::Debug));
}

void Daemon::request_begins(Client const& client, Request const& request)
{
    log_.write(LogLevel::Debug, "request",
               client_fields(client) + " operation=" + std::string(operation_name(request.operation)) +
                   " transaction=" + std::to_string(request.transaction_id) +
                   " payload=" + quote_text(request.payload));
}

void Daemon::message_queued(Client const& client, std::uint32_t type, std::string_view first, std::string_view second)
{
    std::string payload(first);
    payload += second;
    std::string fields = client_fields(client);
    if (type != XS_WATCH_EVENT)
    {
        fields += " operation=" + std::string(operation_name(type));
    }
    log_.write(LogLevel::Debug, type == XS_WATCH_EVENT ? "watch-event" : "reply",
               fields + " payload=" + quote_text(payload));
}

void Daemon::client_gone(Client const& client)
{
    log_.write(LogLevel::Debug, "disconnected", client_fields(client));
}

void Daemon::domain_event(DomainEvent event, std::uint16_t domain)
{
    struct Entry
    {
        LogLevel level;
        std::string_view name;
    };
    auto const entry = [event]() -> Entry {
        switch (event)
        {
        case DomainEvent::Introduced: return {LogLevel::Info, "introduced"};
        case DomainEvent::ShutDown: return {LogLevel::Info, "shut-down"};
        case DomainEvent::Released: return {LogLevel::Info, "released"};
        case DomainEvent::QuotaExceeded: return {LogLevel::Warning, "quota-exceeded"};
        case DomainEvent::SoftQuotaExceeded: return {LogLevel::Warning, "soft-quota-exceeded"};
        case DomainEvent::RingBroken: return {LogLevel::Warning, "ring-broken"};
        case DomainEvent::NotRecorded: return {LogLevel::Error, "end-not-recorded"};
        }
        return {LogLevel::Error, "unknown"};
    }();
    log_.write(entry.level, entry.name, "domain=" + std::to_string(domain));
}

// A full file system is reported when it begins to refuse and each time that many more requests were refused.
void Daemon::watch_journal()
{
    constexpr std::uint64_t kReportEvery = 1000;
    std::uint64_t const refused = journal_->refused();
    if (refused != 0 && (refused_reported_ == 0 || refused - refused_reported_ >= kReportEvery))
    {
        refused_reported_ = refused;
        log_.write(LogLevel::Error, "journal-full", "refused=" + std::to_string(refused));
    }
}

bool Daemon::control_log(std::vector<std::string_view> const& arguments, std::string& answer)
{
    LogLevel level = log_.level();
    if (arguments.size() == 1)
    {
        answer = "level " + std::string(log_level_name(level)) + "\n";
        return true;
    }
    if (arguments[1] == "on" || arguments[1] == "off")
    {
        level = arguments[1] == "on" ? LogLevel::Debug : LogLevel::Info;
    }
    else if (!parse_log_level(arguments[1], level))
    {
        return false;
    }
    set_log_level(level);
    answer = "OK";
    return true;
}

bool Daemon::control(std::vector<std::string_view> const& arguments, std::string& answer)
{
    std::string_view const command = arguments[0];
    if (command == "log")
    {
        return control_log(arguments, answer);
    }
    else if (command == "logfile")
    {
        answer = "OK";
        return arguments.size() == 2 && log_.open(std::string(arguments[1]));
    }
    else if (command == "print")
    {
        std::string text;
        for (std::size_t i = 1; i < arguments.size(); ++i)
        {
            text += std::string(i == 1 ? "" : " ") + std::string(arguments[i]);
        }
        log_.write(LogLevel::Info, "print", "text=" + quote_text(text));
        answer = "OK";
    }
    else if (command == "live-update")
    {
        answer = live_update_.control(arguments);
    }
    else if (command == "counters")
    {
        answer = metrics_text(store_);
    }
    else if (command == "help")
    {
        answer = "check\ncounters\nhelp\nlive-update\nlog\nlogfile\nmemreport\nprint\nquota\nquota-soft\n";
    }
    else
    {
        return false;
    }
    return true;
}

} // namespace tessera::store
