// SPDX-License-Identifier: MIT
// The command line, parsed: the options that hosts already have in their boot entries for Xen.
#pragma once

#include <config.hpp>
#include <lib/log.hpp>

#include <cstdint>
#include <string_view>

namespace hv
{

// An amount of memory for the control domain: absolute, "all but", or a share of the machine in percent.
struct MemoryAmount
{
    enum class Kind : std::uint8_t
    {
        Unset,
        Absolute,
        AllBut,
        Percent,
    };
    Kind kind = Kind::Unset;
    std::uint64_t value = 0; // bytes or percent

    // In bytes for a machine with `available` bytes; `otherwise` when unset. Never more than `available`.
    [[nodiscard]] std::uint64_t resolve(std::uint64_t available, std::uint64_t otherwise) const;
};

enum class ConsoleDevice : std::uint32_t
{
    None = 0,
    Com1 = 1u << 0,
    Vga = 1u << 1,
    Com2 = 1u << 2,
};

enum class RebootMethod : std::uint8_t
{
    Acpi,
    Pci,
    Keyboard,
    TripleFault,
    None,
};

struct SerialOptions
{
    std::uint32_t baud = config::kSerialBaud; // 0: keep what the firmware set
    std::uint8_t data_bits = 8;
    std::uint8_t stop_bits = 1;
    char parity = 'n';
    std::uint16_t port = 0;
    std::uint8_t irq = 0; // 0: no input
};

// The build's default, as a level of ours: it knows one more.
constexpr LogLevel default_log_level(std::uint32_t configured)
{
    auto const highest = static_cast<std::uint32_t>(LogLevel::Debug);
    return static_cast<LogLevel>(configured < highest ? configured : highest);
}

struct Options
{
    MemoryAmount dom0_memory{config::kDom0MemoryMib != 0 ? MemoryAmount::Kind::Absolute : MemoryAmount::Kind::Unset,
                             std::uint64_t{config::kDom0MemoryMib} << 20};
    MemoryAmount dom0_memory_minimum, dom0_memory_maximum;
    std::uint32_t dom0_vcpus_minimum = 1;
    std::uint32_t dom0_vcpus_maximum = config::kDom0MaxVcpus; // 0: as many as there are CPUs
    bool dom0_vcpus_pin = false;
    bool dom0_nodes_strict = false;

    std::uint32_t consoles = static_cast<std::uint32_t>(ConsoleDevice::Com1);
    SerialOptions com1{.port = static_cast<std::uint16_t>(config::kSerialBase),
                       .irq = static_cast<std::uint8_t>(config::kSerialIrq)};
    SerialOptions com2{.port = 0x2f8, .irq = 3};
    bool vga_keep = false; // go on writing to the text screen after the control domain has started
    bool console_to_ring = false;
    bool console_timestamps = false;
    std::uint32_t console_ring_bytes = config::kConsoleRingKib << 10;
    LogLevel log_level = default_log_level(config::kLogLevel);
    LogLevel guest_log_level = default_log_level(config::kGuestLogLevel);
    bool guest_log_none = false;

    bool no_reboot = config::kPanicHalt;
    RebootMethod reboot_method = RebootMethod::Acpi;
    std::uint64_t memory_limit = std::uint64_t{config::kMaxMemoryGib} << 30; // bytes of machine address space to use
    std::uint32_t max_cpus = config::kMaxCpus;
    bool no_smp = false;
    bool smap = true;
    bool smep = true;
    bool acpi = true;
    std::uint32_t scheduler_tuning_microseconds = 0; // sched_ratelimit_us, 0: default
    std::uint32_t max_gsi_irqs = 0;
    bool tsc_unstable = false;
};

Options& options(); // filled once on the boot CPU, read-only afterwards

// Parses `line`; unknown or malformed options are remembered for log_options().
void parse_options(Options& result, char const* line);

// Names in the log every option of `line` that has no effect here, or that could not be understood.
void log_options(char const* line);

// "1G", "512M", "64k", "4096b"; no unit means KiB, as these command lines always did. False on anything else.
bool parse_size(std::string_view text, std::uint64_t& bytes);
bool parse_number(std::string_view text, std::uint64_t& value); // decimal, or hexadecimal after 0x

} // namespace hv
