// SPDX-License-Identifier: MIT
// console_io: the control domain's console; other domains may write whole lines when guest_loglvl admits them.
#include <hypercalls/handlers/pv.hpp>

#include <core/console/console.hpp>

#include <config.hpp>

namespace hv::handlers
{
namespace
{

constexpr std::uint64_t kChunk = 128;

CallResult write(Caller& caller, std::uint64_t bytes, std::uint64_t address)
{
    HV_REQUIRE(caller.is_control() || config::kGuestConsoleWrites, Errno::Perm);
    HV_REQUIRE(bytes <= 0x7fffffff, Errno::Inval);
    for (std::uint64_t done = 0; done < bytes;)
    {
        char text[kChunk];
        std::uint64_t const wanted = bytes - done < kChunk ? bytes - done : kChunk;
        if (!port::copy_from_guest(text, GuestVirtual{address + done}, wanted))
            return Errno::Fault;
        if (caller.is_control())
            console().control_write({text, wanted});
        else
            console().guest_write(caller.domain().console_line, caller.domain().id(), {text, wanted});
        done += wanted;
        if (done < bytes && caller.spend(256))
        {
            caller.resume_with(1, bytes - done);
            caller.resume_with(2, address + done);
            return Errno::Restart;
        }
    }
    return std::int64_t{0};
}

CallResult read(Caller& caller, std::uint64_t bytes, std::uint64_t address)
{
    HV_REQUIRE(caller.is_control(), Errno::Perm);
    char text[kChunk];
    std::size_t const count = console().read_input({text, bytes < kChunk ? bytes : kChunk});
    if (!port::copy_to_guest(GuestVirtual{address}, text, count))
        return Errno::Fault;
    return static_cast<std::int64_t>(count);
}

} // namespace

CallResult console_io(Caller& caller, std::uint64_t operation, std::uint64_t count, std::uint64_t address)
{
    std::uint64_t const bytes = static_cast<std::uint32_t>(count);
    switch (static_cast<std::uint32_t>(operation))
    {
    case CONSOLEIO_write: return write(caller, bytes, address);
    case CONSOLEIO_read: return read(caller, bytes, address);
    default: return Errno::NoSys;
    }
}

} // namespace hv::handlers
