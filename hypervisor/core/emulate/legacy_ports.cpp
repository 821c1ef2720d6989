// SPDX-License-Identifier: MIT
// The model of the interval timer (Intel 8254 data sheet: modes 0, 2 and 3 suffice) and the CMOS index latch.
#include <core/emulate/legacy_ports.hpp>

namespace hv::emulate
{
namespace
{

constexpr std::uint64_t kTimerHertz = 1193182;
constexpr std::uint64_t kNanosecondsPerSecond = 1000000000;

constexpr std::uint64_t to_ticks(std::uint64_t nanoseconds)
{
    return nanoseconds / kNanosecondsPerSecond * kTimerHertz +
           nanoseconds % kNanosecondsPerSecond * kTimerHertz / kNanosecondsPerSecond;
}

} // namespace

// Timer ticks since channel 2 started to count; 0 while the gate is closed.
std::uint64_t LegacyPorts::ticks(EmulationPort& machine) const
{
    return (control_ & 1) != 0 ? to_ticks(machine.now().raw() - start_) : 0;
}

std::uint16_t LegacyPorts::counter(EmulationPort& machine) const
{
    std::uint64_t const passed = ticks(machine);
    if (mode_ == 3) // counts down by two
        return static_cast<std::uint16_t>(reload_ - (passed * 2) % reload_);
    if (mode_ == 2)
        return static_cast<std::uint16_t>(reload_ - passed % reload_);
    return static_cast<std::uint16_t>(reload_ - passed);
}

bool LegacyPorts::output(EmulationPort& machine) const
{
    std::uint64_t const passed = ticks(machine);
    if (mode_ == 3)
        return passed % reload_ < (reload_ + 1) / 2;
    if (mode_ == 2)
        return passed % reload_ != reload_ - 1;
    return passed >= reload_;
}

std::uint8_t LegacyPorts::read_counter(EmulationPort& machine, bool channel2)
{
    if (!channel2)
        return static_cast<std::uint8_t>(to_ticks(machine.now().raw()) ^ 0xff);
    if (latched_bytes_ == 0)
    {
        latched_ = counter(machine);
        latched_bytes_ = access_ == 3 && !high_next_ ? 2 : 1;
    }
    bool const high = access_ == 2 || (access_ == 3 && high_next_);
    high_next_ = access_ == 3 && !high_next_;
    --latched_bytes_;
    return static_cast<std::uint8_t>(high ? latched_ >> 8 : latched_);
}

void LegacyPorts::write_command(EmulationPort& machine, std::uint8_t value)
{
    if (value >> 6 != 2) // another channel, or read-back
        return;
    std::uint8_t const access = (value >> 4) & 3;
    high_next_ = false;
    if (access == 0)
    {
        latched_ = counter(machine);
        latched_bytes_ = access_ == 3 ? 2 : 1;
        return;
    }
    access_ = access;
    mode_ = (value >> 1) & 7;
    if (mode_ > 5)
        mode_ &= 3; // 6 and 7 are other names of 2 and 3
    latched_bytes_ = 0;
    low_written_ = false;
}

void LegacyPorts::write_counter(EmulationPort& machine, std::uint8_t value)
{
    std::uint32_t count = 0;
    if (access_ == 1)
        count = value;
    else if (access_ == 2)
        count = std::uint32_t{value} << 8;
    else if (!low_written_)
    {
        low_byte_ = value;
        low_written_ = true;
        return;
    }
    else
        count = low_byte_ | std::uint32_t{value} << 8;
    low_written_ = false;
    reload_ = count == 0 ? 0x10000 : count;
    start_ = machine.now().raw();
}

std::uint8_t LegacyPorts::read(EmulationPort& machine, std::uint16_t port)
{
    Guard guard(lock_);
    switch (port)
    {
    case 0x40:
    case 0x41: return read_counter(machine, false);
    case 0x42: return read_counter(machine, true);
    case 0x61:
        // Bit 4 toggles with memory refresh; bit 5 is the output of channel 2.
        return static_cast<std::uint8_t>((control_ & 0xf) | ((machine.now().raw() / 15000 & 1) << 4) |
                                         (output(machine) ? 0x20 : 0));
    case 0x71: return machine.cmos_read(cmos_index_);
    default: return 0xff;
    }
}

void LegacyPorts::write(EmulationPort& machine, std::uint16_t port, std::uint8_t value)
{
    Guard guard(lock_);
    switch (port)
    {
    case 0x42: write_counter(machine, value); break;
    case 0x43: write_command(machine, value); break;
    case 0x61:
        if ((value & ~control_ & 1) != 0)
            start_ = machine.now().raw();
        control_ = value & 0xf;
        break;
    case 0x70: cmos_index_ = value & 0x7f; break;
    case 0x71: machine.cmos_write(cmos_index_, value); break;
    default: break;
    }
}

} // namespace hv::emulate
