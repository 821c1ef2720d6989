// SPDX-License-Identifier: MIT
// The PC's interval timer (channel 2 with its gate) and CMOS clock, as the control domain meets them on I/O ports.
#pragma once

#include <core/emulate/emulation_port.hpp>
#include <lib/spinlock.hpp>

#include <cstdint>

namespace hv::emulate
{

// The timer hardware is ours, so the control domain gets a model of it that counts but never interrupts. Channels 0
// and 1 read as a free-running counter; only channel 2 can be programmed. The CMOS clock is real, reached through
// EmulationPort with the domain's own index latch. One instance serves the control domain; all members may be called
// by several of its vCPUs.
class LegacyPorts
{
public:
    static constexpr bool handles(std::uint16_t port)
    {
        return (port >= 0x40 && port <= 0x43) || port == 0x61 || port == 0x70 || port == 0x71;
    }
    [[nodiscard]] std::uint8_t read(EmulationPort& machine, std::uint16_t port);
    void write(EmulationPort& machine, std::uint16_t port, std::uint8_t value);

private:
    [[nodiscard]] std::uint64_t ticks(EmulationPort& machine) const HV_REQUIRES(lock_);
    [[nodiscard]] std::uint16_t counter(EmulationPort& machine) const HV_REQUIRES(lock_);
    [[nodiscard]] bool output(EmulationPort& machine) const HV_REQUIRES(lock_);
    [[nodiscard]] std::uint8_t read_counter(EmulationPort& machine, bool channel2) HV_REQUIRES(lock_);
    void write_command(EmulationPort& machine, std::uint8_t value) HV_REQUIRES(lock_);
    void write_counter(EmulationPort& machine, std::uint8_t value) HV_REQUIRES(lock_);

    SpinLock lock_{LockRank::LegacyPorts};
    std::uint64_t start_ HV_GUARDED_BY(lock_) = 0; // ns when channel 2 was last loaded or its gate opened
    std::uint32_t reload_ HV_GUARDED_BY(lock_) = 0x10000;
    std::uint16_t latched_ HV_GUARDED_BY(lock_) = 0;
    std::uint8_t latched_bytes_ HV_GUARDED_BY(lock_) = 0; // bytes of latched_ not read yet
    std::uint8_t mode_ HV_GUARDED_BY(lock_) = 3;
    std::uint8_t access_ HV_GUARDED_BY(lock_) = 3; // 1 low byte, 2 high byte, 3 low then high
    std::uint8_t low_byte_ HV_GUARDED_BY(lock_) = 0;
    bool low_written_ HV_GUARDED_BY(lock_) = false;
    bool high_next_ HV_GUARDED_BY(lock_) = false;
    std::uint8_t control_ HV_GUARDED_BY(lock_) = 0; // port 0x61: bit 0 gate, bit 1 speaker
    std::uint8_t cmos_index_ HV_GUARDED_BY(lock_) = 0;
};

} // namespace hv::emulate
