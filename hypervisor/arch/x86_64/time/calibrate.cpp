// SPDX-License-Identifier: MIT
// Frequency measurement that stands a busy host: each reading is bracketed by TSC reads and the tightest one counts.
#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/wide.hpp>
#include <arch/x86_64/irq/local_apic.hpp>
#include <arch/x86_64/time/calibrate.hpp>
#include <arch/x86_64/time/reference.hpp>
#include <lib/bug.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kWindowFemtoseconds = 5'000'000'000'000; // 5 ms
constexpr std::uint64_t kSecondFemtoseconds = 1'000'000'000'000'000;
constexpr unsigned kReadings = 12;
constexpr std::uint64_t kSpinLimit = 1ull << 33; // TSC ticks after which a reference counts as dead

struct Sample
{
    std::uint64_t value;
    std::uint64_t tsc;
};

template<typename F>
Sample sample(F&& read)
{
    Sample best{};
    std::uint64_t tightest = ~0ull;
    for (unsigned i = 0; i < kReadings; ++i)
    {
        std::uint64_t const before = read_tsc_ordered();
        std::uint64_t const value = read();
        std::uint64_t const after = read_tsc_ordered();
        if (after - before < tightest)
        {
            tightest = after - before;
            best = {value, before + tightest / 2};
        }
    }
    return best;
}

// Leaves 0x15 (crystal clock) and, under some hypervisors, 0x40000010 (kHz).
std::uint64_t reported_tsc_frequency(char const*& source)
{
    if (cpu_features().max_leaf >= 0x15)
    {
        CpuidRegisters const leaf = cpuid(0x15);
        if (leaf.eax != 0 && leaf.ebx != 0 && leaf.ecx != 0)
        {
            source = "CPUID leaf 0x15";
            return multiply_divide(leaf.ecx, leaf.ebx, leaf.eax);
        }
    }
    if (cpu_features().hypervisor && cpuid(0x40000000).eax >= 0x40000010)
    {
        source = "hypervisor leaf 0x40000010";
        return std::uint64_t{cpuid(0x40000010).eax} * 1000;
    }
    return 0;
}

// Waits for the window to pass on the reference; with a known TSC frequency, on the TSC.
std::uint64_t measure_tsc(ReferenceClock const& clock)
{
    Sample const start = sample(clock.read);
    std::uint64_t const ticks = kWindowFemtoseconds / clock.femtoseconds;
    while (((clock.read() - start.value) & clock.mask) < ticks)
        if (read_tsc() - start.tsc > kSpinLimit)
            HV_BUG("the reference clock stands still");
    Sample const end = sample(clock.read);
    std::uint64_t const passed = (end.value - start.value) & clock.mask;
    return multiply_divide(end.tsc - start.tsc, kSecondFemtoseconds, passed * clock.femtoseconds);
}

} // namespace

FrequencyReport measure_frequencies()
{
    local_apic_timer_start(0);
    FrequencyReport report{};
    report.tsc_hz = reported_tsc_frequency(report.tsc_source);
    std::uint64_t const shortest = report.tsc_hz / 1000;
    local_apic_timer_start(~0u);
    Sample const start = sample(local_apic_timer_count);
    if (report.tsc_hz == 0)
    {
        ReferenceClock const clock = open_reference_clock();
        report.tsc_source = clock.name;
        report.tsc_hz = measure_tsc(clock);
    }
    while (read_tsc() - start.tsc < shortest)
        pause();
    Sample const end = sample(local_apic_timer_count);
    local_apic_timer_start(0);
    report.timer_hz = multiply_divide(start.value - end.value, report.tsc_hz, end.tsc - start.tsc);
    return report;
}

} // namespace hv
