// SPDX-License-Identifier: MIT
// The simulated machine: its RAM, its CPUs and its clock.
#include "state.hpp"

#include <core/console/console.hpp>
#include <core/domain/machine.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/frame_table.hpp>
#include <core/mm/page_table.hpp>
#include <core/mm/pte.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <core/time/timer.hpp>

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

namespace hv::host
{

std::byte* ram = nullptr;
std::uint64_t* m2p_table = nullptr;
Cpu cpus[kCpus + 1];
Flushes flush_record;
std::atomic<std::uint64_t> clock_now = 1'000'000'000;
std::atomic<std::uint64_t> clock_step = 0;
std::atomic<bool> threaded = false;
bool stable_tsc = true;
void (*m2p_hook)() = nullptr;
thread_local unsigned current_cpu = kToolCpu;
thread_local Vcpu const* shown_vcpu = nullptr;
std::mutex log_mutex;
std::string log_text;

namespace
{

template<typename T>
T* reserve(std::size_t bytes)
{
    void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
    {
        std::perror("mmap of simulated memory");
        std::abort();
    }
    return static_cast<T*>(at);
}

void switch_context(Cpu& on, Vcpu* next)
{
    Vcpu* const previous = on.current;
    if (previous == next)
        return;
    ++on.switches;
    if (previous != nullptr)
        vcpu_time_on_schedule_out(*previous);
    on.current = next;
    if (previous != nullptr)
        sched_context_saved(*previous);
    if (next != nullptr)
        vcpu_time_on_schedule_in(*next);
}

std::uint64_t earliest_timer()
{
    std::uint64_t earliest = ~0ull;
    for (Cpu const& one : cpus)
        if (one.timer != 0 && one.timer < earliest)
            earliest = one.timer;
    return earliest;
}

} // namespace

void boot()
{
    if (ram != nullptr)
        return;
    ram = reserve<std::byte>(kFrames * kPageSize);
    m2p_table = reserve<std::uint64_t>(kFrames * sizeof(std::uint64_t));
    init_frame_table(reserve<FrameInfo>(kFrames * sizeof(FrameInfo)), Mfn{kFrames});
    mark_hypervisor_range(Mfn{0}, Mfn{16});
    add_free_range(Mfn{16}, Mfn{kFrames});
    for (unsigned slot = 0; slot < 16; ++slot) // never followed: simulated guests do not reach these addresses
        g_hypervisor_slots[slot] = pte::make(Mfn{1}, pte::kPresent | pte::kAccessed) | pte::kAvailable;
    console().hooks.output = [](std::span<char const> text) {
        std::lock_guard const guard(log_mutex);
        log_text.append(text.data(), text.size());
    };
    for (unsigned number = 0; number < kCpus; ++number)
    {
        use_cpu(number);
        sched_cpu_online(CpuId{number});
    }
    use_cpu(kToolCpu);
}

Cpu& cpu(unsigned number)
{
    return cpus[number];
}

void use_cpu(unsigned number)
{
    current_cpu = number;
}

unsigned this_cpu_number()
{
    return current_cpu;
}

Flushes& flushes()
{
    return flush_record;
}

void set_stable_tsc(bool stable)
{
    stable_tsc = stable;
}

void set_m2p_hook(void (*hook)())
{
    m2p_hook = hook;
}

void set_threaded(bool is_threaded)
{
    threaded = is_threaded;
}

std::uint64_t now()
{
    return clock_now;
}

void set_clock_step(std::uint64_t nanoseconds)
{
    clock_step = nanoseconds;
}

void advance(std::uint64_t nanoseconds)
{
    clock_now += nanoseconds;
}

void pass(unsigned number)
{
    unsigned const before = current_cpu;
    use_cpu(number);
    Cpu& own = cpus[number];
    for (int round = 0; round < 1000; ++round)
    {
        if (own.timer != 0 && own.timer <= clock_now)
        {
            own.timer = 0;
            timers_run(CpuId{number});
        }
        else if (own.schedule_requested.exchange(false))
        {
            switch_context(own, schedule(CpuId{number}));
        }
        else
            break;
    }
    use_cpu(before);
}

void settle()
{
    for (int round = 0; round < 1000; ++round)
    {
        bool quiet = true;
        for (unsigned number = 0; number <= kToolCpu; ++number)
        {
            Cpu const& own = cpus[number];
            bool const busy = own.schedule_requested || (own.timer != 0 && own.timer <= clock_now);
            quiet = quiet && !busy;
            pass(number);
        }
        if (quiet)
            return;
    }
    std::fprintf(stderr, "the simulated machine does not settle\n");
    std::abort();
}

void run_for(std::uint64_t nanoseconds)
{
    std::uint64_t const end = clock_now + nanoseconds;
    settle();
    while (clock_now < end)
    {
        std::uint64_t const next = earliest_timer();
        clock_now = next < end ? std::max(next, clock_now.load()) : end;
        settle();
    }
}

void make_current(unsigned number, Vcpu* vcpu)
{
    cpus[number].current = vcpu;
}

std::string take_log()
{
    std::lock_guard const guard(log_mutex);
    return std::exchange(log_text, {});
}

} // namespace hv::host

namespace hv
{

void bug(char const* what, char const* file, int line)
{
    std::fprintf(stderr, "BUG: %s at %s:%d\n", what, file, line);
    std::abort();
}

// A thread takes the parts of several CPUs in turn, and several threads may act as the tools' CPU.
HeldLocks* held_locks()
{
    static thread_local HeldLocks held[host::kCpus + 1];
    return &held[host::current_cpu];
}

void log_write(LogLevel level, char const* text, std::size_t length)
{
    console().log(level, {text, length});
}

// Another CPU is awaited: it gets its turn. A thread that stands for one CPU of several just goes on trying.
void spin_wait()
{
    if (host::threaded)
    {
        std::this_thread::yield();
        return;
    }
    static thread_local unsigned depth = 0;
    static thread_local unsigned long turns = 0;
    if (++turns > 100'000'000)
        HV_BUG("the simulated machine waits for ever");
    if (depth != 0)
        return;
    ++depth;
    unsigned const self = host::this_cpu_number();
    for (unsigned number = 0; number <= host::kToolCpu; ++number)
        if (number != self)
            host::pass(number);
    --depth;
}

void machine_shutdown(std::uint32_t reason)
{
    throw host::MachineShutdown(reason);
}

} // namespace hv
