// SPDX-License-Identifier: MIT
// Implements the daemon's life: start, the loop, control commands and the end.
#include "daemon/daemon.hpp"

#include "transport/xen_hypervisor.hpp"

#include <csignal>
#include <stdexcept>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace tessera::store {

namespace {

HashKey random_key()
{
    HashKey key;
    if (::getrandom(&key, sizeof key, 0) != static_cast<ssize_t>(sizeof key)) {
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

}  // namespace

Daemon::Daemon(Options const& options, Log& log)
    : options_(options), log_(log), store_({.key = random_key()}), signals_(catch_signals())
{
    store_.set_control_host(this);
    create_first_nodes();
    sockets_ = std::make_unique<SocketServer>(loop_, store_, SocketServer::listen_at(options.socket));
    loop_.add(signals_.get(), EPOLLIN, *this);
    if (options.domains) {
        hypervisor_ = std::make_unique<XenHypervisor>();
        rings_ = std::make_unique<RingServer>(loop_, store_, *hypervisor_);
        store_.set_domain_host(rings_.get());
        std::uint32_t const port = hypervisor_->control_domain_port();
        if (int const error = port == 0 ? 0 : store_.introduce(0, 0, port); error != 0) {
            throw std::runtime_error("cannot connect the control domain's kernel: " + std::string(error_name(error)));
        }
    }
}

Daemon::~Daemon()
{
    loop_.remove(signals_.get(), *this);
    ::unlink(options_.socket.c_str());
}

void Daemon::create_first_nodes()
{
    for (std::string_view const path : {"/tool", "/tool/xenstored"}) {
        store_.restore_change({ChangeKind::MakeDirectory, path, {}, nullptr, 0});
    }
}

void Daemon::on_ready(std::uint32_t)
{
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
        if (info.ssi_signo == SIGHUP) {
            log_.reopen();
        } else {
            stop_ = true;
        }
    }
}

// Events queued for other clients than the one being served leave here.
void Daemon::flush_clients()
{
    while (Client* const client = store_.take_dirty()) {
        if (client->socket) {
            static_cast<SocketConnection*>(client->transport)->flush();
        } else if (rings_ != nullptr && client->transport != nullptr) {
            rings_->flush(*client);
        } else {
            client->output.clear();
        }
    }
}

void Daemon::run()
{
    bool busy = false;
    while (!stop_) {
        loop_.run_once(busy ? 0 : -1);
        if (rings_ != nullptr) {
            rings_->run_ready();
        }
        flush_clients();
        busy = rings_ != nullptr && rings_->has_ready();
    }
    log_.write(LogLevel::Info, "stop");
}

bool Daemon::control(std::vector<std::string_view> const& arguments, std::string& answer)
{
    std::string_view const command = arguments[0];
    if (command == "log") {
        LogLevel level = log_.level();
        if (arguments.size() == 2 && (arguments[1] == "on" || arguments[1] == "off")) {
            level = arguments[1] == "on" ? LogLevel::Debug : LogLevel::Info;
        } else if (arguments.size() == 2 && !parse_log_level(arguments[1], level)) {
            answer = "usage: log [on | off | error | warning | info | debug]\n";
            return true;
        }
        log_.set_level(level);
        answer = arguments.size() == 1 ? "level " + std::string(log_level_name(level)) + "\n" : "OK";
        return true;
    }
    if (command == "logfile") {
        bool const opened = arguments.size() == 2 && log_.open(std::string(arguments[1]));
        answer = opened ? "OK" : "logfile: cannot open the file\n";
        return true;
    }
    if (command == "print") {
        std::string text;
        for (std::size_t i = 1; i < arguments.size(); ++i) {
            text += std::string(i == 1 ? "" : " ") + std::string(arguments[i]);
        }
        log_.write(LogLevel::Info, "print", "text=\"" + text + "\"");
        answer = "OK";
        return true;
    }
    if (command == "help") {
        answer = "check help log logfile memreport print quota";
        return true;
    }
    return false;
}

}  // namespace tessera::store
