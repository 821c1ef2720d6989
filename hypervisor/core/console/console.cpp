// SPDX-License-Identifier: MIT
// Locking and line layout of the console.
#include <core/console/console.hpp>

namespace hv
{
namespace
{

constinit Console the_console;

constexpr char kLogPrefix[] = "(tessera) ";

std::span<char const> text_of(char const* text, std::size_t length)
{
    return {text, length};
}

} // namespace

Console& console()
{
    return the_console;
}

class Console::Section
{
public:
    explicit Section(Console& console) HV_NO_THREAD_SAFETY : lock_(console.locking_ ? &console.lock_ : nullptr)
    {
        if (lock_ != nullptr)
            lock_->lock();
    }
    ~Section() HV_NO_THREAD_SAFETY
    {
        if (lock_ != nullptr)
            lock_->unlock();
    }
    Section(Section const&) = delete;
    Section& operator=(Section const&) = delete;

private:
    SpinLock* lock_;
};

void Console::put(std::span<char const> text, bool to_ring)
{
    if (to_ring)
        ring_.write(text);
    if (hooks.output != nullptr)
        hooks.output(text);
}

void Console::put_prefix()
{
    put(text_of(kLogPrefix, sizeof(kLogPrefix) - 1), true);
    if (hooks.time == nullptr)
        return;
    char stamp[40];
    std::uint64_t const microseconds = hooks.time().raw() / 1000;
    char fraction[8];
    std::size_t const digits = format(fraction, "{}", 1000000 + microseconds % 1000000);
    fraction[0] = '.'; // the leading 1 only kept the zeros
    std::size_t const length = format(stamp, "[{}", microseconds / 1000000);
    put(text_of(stamp, length), true);
    put(text_of(fraction, digits), true);
    put(text_of("] ", 2), true);
}

void Console::log(LogLevel level, std::span<char const> text)
{
    if (level > log_level)
        return;
    {
        Section section(*this);
        put_prefix();
        put(text, true);
        put(text_of("\n", 1), true);
    }
    if (hooks.ring_grew != nullptr)
        hooks.ring_grew();
}

void Console::log_about_guest(LogLevel level, std::span<char const> text)
{
    if (!guest_log_none && level <= guest_log_level)
        log(LogLevel::Error, text); // the guests' threshold has decided
}

void Console::control_write(std::span<char const> text)
{
    {
        Section section(*this);
        put(text, control_output_to_ring);
    }
    if (control_output_to_ring && hooks.ring_grew != nullptr)
        hooks.ring_grew();
}

void Console::guest_write(GuestLine& line, DomainId domain, std::span<char const> text)
{
    {
        Section section(*this);
        line.add(text, [&](std::span<char const> complete) {
            char prefix[16];
            std::size_t const length = format(prefix, "(d{}) ", domain);
            put(text_of(prefix, length), true);
            put(complete, true);
            put(text_of("\n", 1), true);
        });
    }
    if (hooks.ring_grew != nullptr)
        hooks.ring_grew();
}

std::size_t Console::read_input(std::span<char> out)
{
    Section section(*this);
    return input_.read(out);
}

void Console::receive(char c)
{
    InputEvent event;
    {
        Section section(*this);
        event = input_.receive(c);
    }
    if (event == InputEvent::ForControlDomain && hooks.input_ready != nullptr)
        hooks.input_ready();
    else if (event == InputEvent::ForHypervisor && hooks.command_key != nullptr)
        hooks.command_key(c);
    else if (event == InputEvent::SwitchedToHypervisor)
        log_info("Input goes to the hypervisor (Ctrl-A three times returns to the control domain)");
    else if (event == InputEvent::SwitchedToControlDomain)
        log_info("Input goes to the control domain");
}

std::size_t Console::read_ring(std::uint32_t& position, bool incremental, std::span<char> out)
{
    Section section(*this);
    if (!incremental)
        position = ring_.first();
    return ring_.read(position, out);
}

void Console::clear_ring()
{
    Section section(*this);
    ring_.clear();
}

void Console::set_ring_memory(std::span<char> memory)
{
    Section section(*this);
    ring_.move_to(memory);
}

} // namespace hv
