// SPDX-License-Identifier: MIT
// vmctl console: the terminal that the console daemon keeps for each guest.
#include "base/unique_fd.hpp"
#include "console_session.hpp"
#include "domain/find.hpp"
#include "domain/signals.hpp"
#include "verb.hpp"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <fcntl.h>
#include <iterator>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

namespace vmctl
{
namespace
{

constexpr char kEscape = 0x1d; // Ctrl-]
constexpr std::chrono::seconds kTerminalLimit{20};

/// Sets a terminal to raw and back.
class RawTerminal
{
public:
    explicit RawTerminal(int fd) : fd_(fd)
    {
        active_ = ::tcgetattr(fd, &before_) == 0;
        if (active_)
        {
            termios raw = before_;
            ::cfmakeraw(&raw);
            ::tcsetattr(fd, TCSANOW, &raw);
        }
    }
    ~RawTerminal()
    {
        if (active_)
        {
            ::tcsetattr(fd_, TCSANOW, &before_);
        }
    }
    RawTerminal(RawTerminal const&) = delete;
    RawTerminal& operator=(RawTerminal const&) = delete;

    bool active() const { return active_; }

private:
    int fd_;
    termios before_{};
    bool active_ = false;
};

void write_all(int fd, char const* data, std::size_t size)
{
    while (size > 0)
    {
        ssize_t const count = ::write(fd, data, size);
        if (count < 0 && errno == EAGAIN)
        {
            pollfd entry{fd, POLLOUT, 0};
            ::poll(&entry, 1, -1);
            continue;
        }
        if (count < 0 && errno != EINTR)
        {
            throw vm::system_error("writing to the console", errno);
        }
        if (count > 0)
        {
            data += count;
            size -= static_cast<std::size_t>(count);
        }
    }
}

vm::UniqueFd open_terminal(vm::Host& host, vm::DomainId domain)
{
    std::string const node = vm::domain_path(domain) + "/console/tty";
    std::string path;
    bool const there = host.store.wait_until(node, kTerminalLimit, [&] {
        path = host.store.read(node).value_or("");
        return !path.empty() || !host.hypervisor.domain(domain);
    });
    if (!there || path.empty())
    {
        throw Error(there ? ExitCode::NotFound : ExitCode::Timeout, "the guest has no console terminal",
                    "is xenconsoled running?");
    }
    vm::UniqueFd terminal(::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (!terminal)
    {
        throw vm::system_error("cannot open the console '" + path + "'", errno);
    }
    return terminal;
}

/// Moves bytes one way; false at the end of the source, or when the user has typed the escape.
bool forward(int from, int to, bool escape)
{
    char buffer[4096];
    ssize_t const count = ::read(from, buffer, sizeof buffer);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
    {
        return true;
    }
    if (count <= 0)
    {
        return false;
    }
    std::string_view data(buffer, static_cast<std::size_t>(count));
    std::size_t const end = escape ? data.find(kEscape) : data.npos;
    data = data.substr(0, end);
    write_all(to, data.data(), data.size());
    return end == data.npos;
}

} // namespace

ExitCode attach_console(vm::Host& host, vm::DomainId domain, vm::Uuid const& uuid)
{
    vm::UniqueFd const terminal = open_terminal(host, domain);
    vm::SignalGuard const held; // as long as the terminal is raw
    vm::UniqueFd const signals = held.as_file();
    RawTerminal const guest_side(terminal.get());
    RawTerminal const user_side(STDIN_FILENO);
    if (user_side.active())
    {
        std::fprintf(stderr, "connected; Ctrl-] ends the session\r\n");
    }
    bool input_open = true;
    for (;;)
    {
        pollfd entries[] = {
            {terminal.get(), POLLIN, 0}, {input_open ? STDIN_FILENO : -1, POLLIN, 0}, {signals.get(), POLLIN, 0}};
        if (::poll(entries, std::size(entries), -1) < 0)
        {
            if (errno == EINTR)
            {
                continue;
            }
            throw vm::system_error("waiting for the console", errno);
        }
        if (entries[2].revents != 0)
        {
            return ExitCode::Ok; // the signal itself ends us when the terminal is as it was
        }
        if (entries[0].revents != 0 && !forward(terminal.get(), STDOUT_FILENO, false))
        {
            break; // the console daemon has closed its end: the guest is gone
        }
        if (entries[1].revents != 0 && !forward(STDIN_FILENO, terminal.get(), true))
        {
            if (user_side.active())
            {
                return ExitCode::Ok;
            }
            input_open = false; // a script's input has ended: its output has not
        }
    }
    auto const info = host.hypervisor.domain(domain);
    bool const running = info && info->uuid == uuid && !info->dying && !info->shut_down;
    std::fprintf(stderr, "%s\r\n", running ? "the console daemon has closed the console" : "the guest has ended");
    return ExitCode::Ok;
}

namespace
{

ExitCode run(Invocation const& invocation)
{
    vm::Host host;
    vm::FoundGuest const guest = vm::find_guest(host, invocation.operands[0]);
    if (guest.info.id == vm::kControlDomain)
    {
        throw Error(ExitCode::Denied, "'" + guest.name + "' is the control domain", "name a guest");
    }
    return attach_console(host, guest.info.id, guest.info.uuid);
}

} // namespace

Verb const kConsole{"console", "GUEST", 1, 1, "Attach to a guest's console; Ctrl-] ends the session", {}, run};

} // namespace vmctl
