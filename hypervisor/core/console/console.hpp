// SPDX-License-Identifier: MIT
// The machine's one console: log lines and guests' output go to the ring and to the output device, input comes back.
#pragma once

#include <core/console/guest_line.hpp>
#include <core/console/input.hpp>
#include <core/console/ring.hpp>
#include <lib/log.hpp>
#include <lib/spinlock.hpp>
#include <lib/strong.hpp>

#include <cstdint>
#include <span>

namespace hv
{

// What the console needs of the machine and of the domains. Every function may be null.
struct ConsoleHooks
{
    void (*output)(std::span<char const> text) = nullptr; // devices; called with the console locked, takes no lock
    Nanoseconds (*time)() = nullptr;                      // when set, log lines begin with it
    void (*input_ready)() = nullptr;                      // characters wait for the control domain (VIRQ_CONSOLE)
    void (*ring_grew)() = nullptr;                        // new text for VIRQ_CON_RING; any context: only set a flag
    void (*command_key)(char key) = nullptr; // a key typed while input goes to the hypervisor; no lock held
};

class Console
{
public:
    ConsoleHooks hooks;
    LogLevel log_level = LogLevel::Info;          // lines of a higher level are dropped
    LogLevel guest_log_level = LogLevel::Warning; // the same for lines that guests cause
    bool guest_log_none = false;
    bool control_output_to_ring = false; // copy the control domain's output into the ring

    void log(LogLevel level, std::span<char const> text);

    // A line that a guest's behaviour caused: the guest's threshold decides.
    void log_about_guest(LogLevel level, std::span<char const> text);

    // CONSOLEIO_write of the control domain: passed on as it is.
    void control_write(std::span<char const> text);

    // CONSOLEIO_write of any other domain: whole lines with the domain's number. `line` is that domain's.
    void guest_write(GuestLine& line, DomainId domain, std::span<char const> text);

    // CONSOLEIO_read.
    std::size_t read_input(std::span<char> out);

    // A character arrived on the input device.
    void receive(char c);

    // XEN_SYSCTL_readconsole: copies from `position`, or from the oldest byte unless `incremental`, and moves it on.
    std::size_t read_ring(std::uint32_t& position, bool incremental, std::span<char> out);
    void clear_ring();
    void set_ring_memory(std::span<char> memory); // a power of two in size; never freed

    // The machine is stopping: whoever held the lock is not coming back.
    void stop_locking() { locking_ = false; }

private:
    class Section; // holds the lock unless the machine is stopping

    void put(std::span<char const> text, bool to_ring);
    void put_prefix();

    SpinLock lock_{LockRank::Console};
    bool locking_ = true;
    ConsoleInput input_;
    char first_memory_[16384] = {};
    ConsoleRing ring_{first_memory_};
};

Console& console();

// As log(), for lines that a guest causes.
template<typename... Args>
void log_guest(LogLevel level, char const* pattern, Args const&... args)
{
    char line[256];
    std::size_t const length = format(line, pattern, args...);
    console().log_about_guest(level, {line, length});
}

} // namespace hv
