// SPDX-License-Identifier: MIT
// The battery-backed clock of a PC (Motorola MC146818A), read once for the time of day at boot.
#include <arch/x86_64/acpi/tables.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/time/clock.hpp>

#include <initializer_list>

namespace hv
{
namespace
{

enum Register : std::uint8_t
{
    kSeconds = 0,
    kMinutes = 2,
    kHours = 4,
    kDay = 7,
    kMonth = 8,
    kYear = 9,
    kStatusA = 10,
    kStatusB = 11,
};

constexpr std::uint8_t kUpdating = 0x80;
constexpr std::uint8_t kBinary = 0x04;
constexpr std::uint8_t k24Hours = 0x02;
constexpr std::uint8_t kAfternoon = 0x80;
constexpr unsigned kReadLimit = 1000000;
constexpr std::uint64_t kSecondsPerDay = 86400;

std::uint8_t read_register(std::uint8_t index)
{
    out8(0x70, index);
    return in8(0x71);
}

struct Fields
{
    unsigned seconds, minutes, hours, day, month, year, century;
    bool operator==(Fields const&) const = default;
};

Fields read_fields()
{
    for (unsigned i = 0; i < kReadLimit && (read_register(kStatusA) & kUpdating) != 0; ++i)
        pause();
    std::uint8_t const century = firmware().century_register;
    return {read_register(kSeconds),
            read_register(kMinutes),
            read_register(kHours),
            read_register(kDay),
            read_register(kMonth),
            read_register(kYear),
            century != 0 ? read_register(century) : 0u};
}

unsigned from_bcd(unsigned value)
{
    return (value & 0xf) + 10 * (value >> 4);
}

void decode(Fields& fields, std::uint8_t status)
{
    bool const afternoon = (fields.hours & kAfternoon) != 0;
    fields.hours &= 0x7f;
    if ((status & kBinary) == 0)
        for (unsigned* field : {&fields.seconds, &fields.minutes, &fields.hours, &fields.day, &fields.month,
                                &fields.year, &fields.century})
            *field = from_bcd(*field);
    if ((status & k24Hours) == 0)
        fields.hours = fields.hours % 12 + (afternoon ? 12 : 0);
    bool const century_known = fields.century >= 19 && fields.century <= 99;
    fields.year += 100 * (century_known ? fields.century : 20);
}

// Days from 1 January 1970 in the Gregorian calendar; months counted from March put the leap day last.
std::uint64_t days_since_epoch(unsigned year, unsigned month, unsigned day)
{
    std::uint64_t const years = year - (month <= 2 ? 1u : 0u);
    std::uint64_t const months = (month + 9) % 12;
    return years * 365 + years / 4 - years / 100 + years / 400 + (months * 153 + 2) / 5 + day - 1 - 719468;
}

} // namespace

std::uint64_t read_cmos_clock()
{
    Fields fields = read_fields();
    for (unsigned i = 0; i < 8; ++i)
    {
        Fields const again = read_fields();
        if (again == fields)
            break;
        fields = again;
    }
    decode(fields, read_register(kStatusB));
    if (fields.month < 1 || fields.month > 12 || fields.day < 1 || fields.day > 31 || fields.year < 1970)
        return 0;
    return days_since_epoch(fields.year, fields.month, fields.day) * kSecondsPerDay + fields.hours * 3600 +
           fields.minutes * 60 + fields.seconds;
}

port::WallClock boot_wall_clock()
{
    Nanoseconds const before = port::now();
    std::uint64_t const seconds = read_cmos_clock();
    std::uint64_t const running = before.raw() / 1'000'000'000;
    return {seconds > running ? seconds - running : 0, 0};
}

} // namespace hv
