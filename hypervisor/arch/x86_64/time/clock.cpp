// SPDX-License-Identifier: MIT
// Scaling between TSC, nanoseconds and timer ticks.
#include <arch/x86_64/boot/options.hpp>
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/cpu/wide.hpp>
#include <arch/x86_64/irq/local_apic.hpp>
#include <arch/x86_64/smp/smp.hpp>
#include <arch/x86_64/time/calibrate.hpp>
#include <arch/x86_64/time/clock.hpp>
#include <lib/log.hpp>

namespace hv
{
namespace
{

constexpr std::uint64_t kNanosecondsPerSecond = 1'000'000'000;

FrequencyReport report;
port::TscScale scale;
std::uint8_t shift_left, shift_right; // scale.shift as two counts, one of which is 0
std::uint64_t boot_tsc;
std::uint64_t tsc_per_nanosecond;   // 32 fraction bits
std::uint64_t timer_per_nanosecond; // 32 fraction bits
bool use_deadline;

// `hz` per nanosecond, as a fixed-point number with 32 fraction bits.
std::uint64_t ratio(std::uint64_t hz)
{
    return multiply_divide(hz, 1ull << 32, kNanosecondsPerSecond);
}

// mul as large as fits 32 bits, for the least rounding error.
void set_scale(std::uint64_t hz)
{
    std::uint64_t divisor = hz;
    int shift = 0;
    for (; divisor > 2 * kNanosecondsPerSecond; divisor >>= 1)
        --shift;
    for (; divisor <= kNanosecondsPerSecond; divisor <<= 1)
        ++shift;
    // Divide by the exact frequency: what the shifts above cut off would be lost otherwise.
    scale.mul = static_cast<std::uint32_t>(multiply_divide(kNanosecondsPerSecond, 1ull << (32 - shift), hz));
    scale.shift = static_cast<std::int8_t>(shift);
    shift_left = static_cast<std::uint8_t>(shift > 0 ? shift : 0);
    shift_right = static_cast<std::uint8_t>(shift < 0 ? -shift : 0);
    scale.khz = hz / 1000;
}

std::uint64_t to_nanoseconds(std::uint64_t ticks)
{
    return multiply_fraction(ticks << shift_left >> shift_right, scale.mul);
}

struct Exchange
{
    std::uint64_t remote;
};

void read_remote_tsc(void* argument)
{
    static_cast<Exchange*>(argument)->remote = read_tsc_ordered();
}

struct OffsetBounds
{
    std::int64_t low = INT64_MIN;  // the true offset of the remote TSC is not below this ...
    std::int64_t high = INT64_MAX; // ... nor above this
};

OffsetBounds bound_offset(CpuId cpu)
{
    constexpr unsigned kRounds = 5;
    OffsetBounds bounds;
    for (unsigned i = 0; i < kRounds; ++i)
    {
        Exchange exchange{};
        std::uint64_t const before = read_tsc_ordered();
        run_on(CpuMask::of(cpu), read_remote_tsc, &exchange);
        std::uint64_t const after = read_tsc_ordered();
        auto const low = static_cast<std::int64_t>(exchange.remote - after);
        auto const high = static_cast<std::int64_t>(exchange.remote - before);
        bounds.low = low > bounds.low ? low : bounds.low;
        bounds.high = high < bounds.high ? high : bounds.high;
    }
    return bounds;
}

} // namespace

FrequencyReport const& frequencies()
{
    return report;
}

void start_clock()
{
    report = measure_frequencies();
    set_scale(report.tsc_hz);
    tsc_per_nanosecond = ratio(report.tsc_hz);
    timer_per_nanosecond = ratio(report.timer_hz);
    use_deadline = cpu_features().tsc_deadline;
    // Inside a virtual machine the TSC is the host's or emulated, at one rate in either case, whatever CPUID says.
    bool const one_rate = cpu_features().invariant_tsc || cpu_features().hypervisor;
    scale.stable = one_rate && !options().tsc_unstable;
    boot_tsc = read_tsc();
}

void start_timer()
{
    if (use_deadline)
        local_apic_timer_use_deadline();
    port::set_timer(Nanoseconds{0});
}

void compare_tscs()
{
    CpuMask const others = online_cpu_mask() & ~CpuMask::of(CpuId{this_cpu().id});
    others.for_each([](CpuId cpu) {
        OffsetBounds const bounds = bound_offset(cpu);
        if (bounds.low <= 0 && bounds.high >= 0)
            return;
        cpu_local(cpu).tsc_offset = bounds.low + (bounds.high - bounds.low) / 2;
        scale.stable = false;
        log_warning("TSC of CPU {} is {} ticks ahead of the boot CPU's", cpu, cpu_local(cpu).tsc_offset);
    });
}

std::uint64_t port::tsc()
{
    return read_tsc();
}

Nanoseconds port::now()
{
    auto const offset = static_cast<std::uint64_t>(this_cpu().tsc_offset);
    return Nanoseconds{to_nanoseconds(read_tsc() - offset - boot_tsc)};
}

port::TscScale port::tsc_scale()
{
    return scale;
}

void port::set_timer(Nanoseconds deadline)
{
    if (deadline.raw() == 0)
    {
        if (use_deadline)
            write_msr(msr::kTscDeadline, 0);
        else
            local_apic_timer_start(0);
        return;
    }
    std::uint64_t const present = now().raw();
    std::uint64_t const wait = deadline.raw() > present ? deadline.raw() - present : 0;
    // Rounded up: an interrupt a tick early would only find nothing due and be set again.
    if (use_deadline)
    {
        write_msr(msr::kTscDeadline, read_tsc() + multiply_fraction(wait, tsc_per_nanosecond) + 1);
        return;
    }
    constexpr std::uint64_t kLongestWait = kNanosecondsPerSecond; // then the timer is simply set again
    std::uint64_t const ticks = multiply_fraction(wait < kLongestWait ? wait : kLongestWait, timer_per_nanosecond) + 1;
    local_apic_timer_start(ticks < 0xffffffff ? static_cast<std::uint32_t>(ticks) : 0xffffffff);
}

} // namespace hv
