// SPDX-License-Identifier: MIT
// Starts the other CPUs, all at the same time (Intel SDM vol. 3, 8.4.4: INIT, then two start-up messages).
#include <arch/x86_64/acpi/tables.hpp>
#include <arch/x86_64/boot/direct_map.hpp>
#include <arch/x86_64/boot/memory_map.hpp>
#include <arch/x86_64/boot/options.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/boot/start.hpp>
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/irq/local_apic.hpp>
#include <arch/x86_64/irq/vectors.hpp>
#include <arch/x86_64/smp/smp.hpp>
#include <arch/x86_64/time/clock.hpp>
#include <lib/log.hpp>
#include <port/port.hpp>

#include <cstring>

extern "C" char trampoline_start[], trampoline_end[], trampoline_patch[];

// Read by the trampoline.
extern "C"
{
    struct StartingCpu
    {
        std::uint32_t apic_id;
        std::uint32_t arrived;
        std::int32_t number_plus_one; // 0: wait; negative: stay away
        std::uint32_t padding;
    };
    static_assert(sizeof(StartingCpu) == 16);
    static_assert(sizeof(hv::TrapFrame) + 16 <= 0xc0 && 0xc0 % 16 == 0);
    StartingCpu starting_cpus[hv::kMaxCpus];
    std::uint32_t starting_cpu_count;
    std::uint64_t final_root;
}

namespace hv
{
namespace
{

constexpr std::uint64_t kMicrosecond = 1000;
constexpr std::uint64_t kSecondStartup = 10'000 * kMicrosecond;
constexpr std::uint64_t kGiveUp = 2'000'000 * kMicrosecond;

std::uint32_t online_count = 1;
std::uint64_t online_bits = 1;

void wait_until(Nanoseconds end)
{
    while (port::now() < end)
        pause();
}

bool all_arrived()
{
    for (std::uint32_t i = 0; i < starting_cpu_count; ++i)
        if (load_acquire(starting_cpus[i].arrived) == 0)
            return false;
    return true;
}

bool wait_for_arrival(std::uint64_t nanoseconds)
{
    Nanoseconds const end = port::now() + nanoseconds;
    while (!all_arrived())
    {
        if (port::now() > end)
            return false;
        pause();
    }
    return true;
}

template<typename F>
void for_each_missing(F&& visit)
{
    for (std::uint32_t i = 0; i < starting_cpu_count; ++i)
        if (load_acquire(starting_cpus[i].arrived) == 0)
            visit(starting_cpus[i].apic_id);
}

void choose_cpus()
{
    std::uint32_t const limit = options().no_smp || options().max_cpus == 0 ? 1 : options().max_cpus;
    Firmware const& found = firmware();
    std::uint32_t left_out = found.ignored_cpus;
    for (std::uint32_t i = 0; i < found.cpu_count; ++i)
    {
        if (found.cpus[i].apic_id == this_cpu().apic_id)
            continue;
        if (starting_cpu_count + 1 < limit && starting_cpu_count + 1 < kMaxCpus)
            starting_cpus[starting_cpu_count++].apic_id = found.cpus[i].apic_id;
        else
            ++left_out;
    }
    if (left_out != 0)
        log_info("{} CPUs stay unused (limit {})", left_out, limit < kMaxCpus ? limit : kMaxCpus);
}

// The trampoline page, with the trampoline root and EFER bits filled in.
void place_trampoline(MachineAddress page)
{
    constexpr std::uint32_t kLongMode = 1u << 8;
    constexpr std::uint32_t kNoExecute = 1u << 11;
    auto* copy = direct_map<char>(page);
    std::memcpy(copy, trampoline_start, static_cast<std::size_t>(trampoline_end - trampoline_start));
    std::uint32_t const patch[2] = {static_cast<std::uint32_t>(build_trampoline_root(page).raw()),
                                    kLongMode | (cpu_features().nx ? kNoExecute : 0)};
    std::memcpy(copy + (trampoline_patch - trampoline_start), patch, sizeof(patch));
}

void wake(MachineAddress page)
{
    // CPUs of this century start without the 10 ms pause after INIT that the first ones needed.
    bool const patient = cpu_features().family < 6;
    for_each_missing([](std::uint32_t apic_id) { send_init(apic_id); });
    wait_until(port::now() + (patient ? 10'000 : 10) * kMicrosecond);
    for_each_missing([&](std::uint32_t apic_id) { send_startup(apic_id, page); });
    if (wait_for_arrival(kSecondStartup))
        return;
    for_each_missing([&](std::uint32_t apic_id) { send_startup(apic_id, page); });
    if (!wait_for_arrival(kGiveUp))
        for_each_missing(
            [](std::uint32_t apic_id) { log_error("CPU with APIC identifier {} does not start", apic_id); });
}

// Numbers are dense, in the firmware's order, over the CPUs that did arrive.
void admit()
{
    std::uint32_t next = 1;
    for (std::uint32_t i = 0; i < starting_cpu_count; ++i)
    {
        StartingCpu& cpu = starting_cpus[i];
        bool const here = load_acquire(cpu.arrived) != 0;
        if (here)
        {
            create_cpu_region(CpuId{next}, cpu.apic_id);
            create_vector_table(CpuId{next});
            ++next;
        }
        store_release(cpu.number_plus_one, here ? static_cast<std::int32_t>(next) : -1);
    }
    while (load_acquire(online_count) != next)
        pause();
}

} // namespace

extern "C" [[noreturn]] void start_this_cpu(std::uint32_t number)
{
    CpuId const cpu{number};
    setup_this_cpu(cpu);
    start_local_apic();
    start_timer();
    fetch_or(online_bits, 1ull << number);
    fetch_add(online_count, 1u);
    cpu_idle_loop();
}

void start_other_cpus()
{
    choose_cpus();
    if (starting_cpu_count == 0)
        return;
    MachineAddress const page = low_memory_page();
    if (page.raw() == 0)
    {
        log_error("No free memory below 1 MiB: the other CPUs cannot start");
        starting_cpu_count = 0;
        return;
    }
    place_trampoline(page);
    final_root = idle_root();
    wake(page);
    admit();
}

CpuMask online_cpu_mask()
{
    return CpuMask{load_acquire(online_bits)};
}

std::uint32_t cpu_count()
{
    return load_acquire(online_count);
}

} // namespace hv
