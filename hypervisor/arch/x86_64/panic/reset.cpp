// SPDX-License-Identifier: MIT
// Resets and powers off the machine (ACPI 6.4, 4.8.3; PIIX and ICH reset control register 0xcf9; 8042 pulse).
#include <arch/x86_64/acpi/tables.hpp>
#include <arch/x86_64/boot/options.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/panic/reset.hpp>

namespace hv
{
namespace
{

constexpr unsigned kGraceReads = 200000; // reads of port 0x80, about a microsecond each, before the next method

void wait_for_effect()
{
    for (unsigned i = 0; i < kGraceReads; ++i)
        in8(0x80);
}

// A PCI configuration write names device, function and register of bus 0 in its address.
void write_pci_reset(std::uint64_t address, std::uint8_t value)
{
    auto const device = static_cast<std::uint32_t>(address >> 32) & 0x1f;
    auto const function = static_cast<std::uint32_t>(address >> 16) & 7;
    auto const offset = static_cast<std::uint32_t>(address) & 0xff;
    out32(0xcf8, 0x80000000u | (device << 11) | (function << 8) | (offset & ~3u));
    out8(static_cast<std::uint16_t>(0xcfc + (offset & 3)), value);
}

void reset_by_acpi()
{
    Firmware const& found = firmware();
    if (!found.has_reset_register)
        return;
    if (found.reset_register.space == 1)
        out8(static_cast<std::uint16_t>(found.reset_register.address), found.reset_value);
    else if (found.reset_register.space == 2)
        write_pci_reset(found.reset_register.address, found.reset_value);
    wait_for_effect();
}

void reset_by_pci()
{
    std::uint8_t const rest = in8(0xcf9) & 0xf1;
    out8(0xcf9, rest | 0x02);
    out8(0xcf9, rest | 0x06);
    wait_for_effect();
}

void reset_by_keyboard()
{
    constexpr std::uint8_t kInputFull = 0x02;
    for (unsigned i = 0; i < kGraceReads && (in8(0x64) & kInputFull) != 0; ++i)
        in8(0x80);
    out8(0x64, 0xfe);
    wait_for_effect();
}

[[noreturn]] void reset_by_triple_fault()
{
    struct [[gnu::packed]]
    {
        std::uint16_t limit = 0;
        std::uint64_t base = 0;
    } const nothing;
    asm volatile("lidt %0; int3" : : "m"(nothing));
    halt_forever();
}

} // namespace

void reset_machine()
{
    stop_other_cpus();
    RebootMethod const method = options().reboot_method;
    if (method == RebootMethod::None)
        halt_forever();
    if (method == RebootMethod::TripleFault)
        reset_by_triple_fault();
    if (method == RebootMethod::Keyboard)
        reset_by_keyboard();
    if (method == RebootMethod::Pci)
        reset_by_pci();
    reset_by_acpi();
    reset_by_pci();
    reset_by_keyboard();
    reset_by_triple_fault();
}

void enter_sleep_state(std::uint16_t pm1a_value, std::uint16_t pm1b_value)
{
    constexpr std::uint16_t kSleepEnable = 1u << 13;
    Firmware const& found = firmware();
    if (found.pm1a_control == 0)
        return;
    stop_other_cpus();
    out16(found.pm1a_control, pm1a_value | kSleepEnable);
    if (found.pm1b_control != 0)
        out16(found.pm1b_control, pm1b_value | kSleepEnable);
    wait_for_effect();
}

void switch_off()
{
    constexpr std::uint16_t kSleepType = 7u << 10;
    Firmware const& found = firmware();
    if (!found.has_off_types || found.pm1a_control == 0)
        return;
    auto const value = [](std::uint16_t port, std::uint8_t type) {
        return static_cast<std::uint16_t>((in16(port) & ~kSleepType) | (type << 10));
    };
    enter_sleep_state(value(found.pm1a_control, found.off_type_a),
                      found.pm1b_control != 0 ? value(found.pm1b_control, found.off_type_b) : std::uint16_t{0});
}

} // namespace hv
