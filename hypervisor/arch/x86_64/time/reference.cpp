// SPDX-License-Identifier: MIT
// Reads HPET (specification 1.0a), ACPI PM timer (ACPI 6.4, 4.8.3.3) and 8254 (Intel data sheet).
#include <arch/x86_64/acpi/tables.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/time/reference.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kPmTimerFemtoseconds = 279'365'115; // 3.579545 MHz
constexpr std::uint64_t kPitFemtoseconds = 838'095'345;     // 1.193182 MHz

std::uint32_t volatile* hpet;

std::uint64_t read_hpet()
{
    return hpet[0xf0 / 4];
}

std::uint64_t read_pm_timer()
{
    return in32(firmware().pm_timer_port);
}

// Counts down from 0xffff; latched so that both bytes belong together.
std::uint64_t read_pit()
{
    out8(0x43, 0x80);
    std::uint32_t const low = in8(0x42);
    std::uint32_t const high = in8(0x42);
    return 0xffff - (low | (high << 8));
}

void start_pit()
{
    constexpr std::uint8_t kGate = 0x01;
    constexpr std::uint8_t kSpeaker = 0x02;
    out8(0x61, static_cast<std::uint8_t>((in8(0x61) & ~kSpeaker) | kGate));
    out8(0x43, 0xb0); // channel 2, both bytes, count down once
    out8(0x42, 0xff);
    out8(0x42, 0xff);
}

bool open_hpet(ReferenceClock& clock)
{
    if (firmware().hpet.raw() == 0)
        return false;
    hpet = static_cast<std::uint32_t volatile*>(map_device(firmware().hpet, 1024));
    std::uint32_t const period = hpet[1]; // femtoseconds
    if (period == 0 || period > 100'000'000)
        return false;
    hpet[0x10 / 4] = hpet[0x10 / 4] | 1; // run; the interrupts stay as they are
    clock = {"HPET", period, 0xffffffff, read_hpet};
    return true;
}

} // namespace

ReferenceClock open_reference_clock()
{
    ReferenceClock clock;
    if (open_hpet(clock))
        return clock;
    if (firmware().pm_timer_port != 0)
        return {"ACPI PM timer", kPmTimerFemtoseconds, firmware().pm_timer_32_bit ? 0xffffffffull : 0xffffffull,
                read_pm_timer};
    start_pit();
    return {"8254", kPitFemtoseconds, 0xffff, read_pit};
}

} // namespace hv
