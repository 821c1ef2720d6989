// SPDX-License-Identifier: MIT
// The hosted port: what hypervisor/port/port.hpp asks for, on simulated hardware.
#include "machine.hpp"

#include <core/console/console.hpp>
#include <core/domain/guest_iret.hpp>
#include <core/domain/machine.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/frame_table.hpp>
#include <core/mm/tlb_clock.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <core/time/timer.hpp>

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

namespace hv::host
{
namespace
{

std::byte* ram = nullptr;
std::uint64_t* m2p_table = nullptr;
Cpu cpus[kCpus + 1];
Flushes flush_record;
std::atomic<std::uint64_t> clock_now = 1'000'000'000;
std::atomic<bool> threaded = false;
bool stable_tsc = true;
thread_local unsigned current_cpu = kToolCpu;
std::mutex log_mutex;
std::string log_text;
std::map<std::uint64_t, std::pair<std::unique_ptr<std::byte[]>, std::size_t>> guest_blocks;

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

std::byte* in_guest_block(std::uint64_t address, std::size_t bytes)
{
    auto found = guest_blocks.upper_bound(address);
    if (found == guest_blocks.begin())
        return nullptr;
    --found;
    std::uint64_t const offset = address - found->first;
    if (offset + bytes > found->second.second)
        return nullptr;
    return found->second.first.get() + offset;
}

// Walks the current vCPU's kernel root; nullptr when the access would fault.
std::byte* walk(std::uint64_t address, bool write)
{
    Vcpu const* const vcpu = cpus[current_cpu].current;
    if (vcpu == nullptr || vcpu->pv.kernel_root == kInvalidMfn || !is_guest_address(address))
        return nullptr;
    Mfn table = vcpu->pv.kernel_root;
    for (int level = 4; level >= 1; --level)
    {
        auto const* const entries = reinterpret_cast<std::uint64_t const*>(port::frame_data(table));
        std::uint64_t const entry = entries[(address >> (12 + 9 * (level - 1))) & 511];
        if ((entry & 1) == 0 || (write && (entry & 2) == 0))
            return nullptr;
        table = Mfn{(entry & 0x000ffffffffff000) >> kPageShift};
        if (table >= port::max_mfn())
            return nullptr;
    }
    return port::frame_data(table) + (address & (kPageSize - 1));
}

template<typename F>
bool copy_by_page(std::uint64_t address, std::size_t bytes, bool write, F&& move)
{
    if (std::byte* const block = in_guest_block(address, bytes))
    {
        move(block, 0, bytes);
        return true;
    }
    for (std::size_t done = 0; done < bytes;)
    {
        std::size_t const part = std::min<std::size_t>(bytes - done, kPageSize - ((address + done) & (kPageSize - 1)));
        std::byte* const at = walk(address + done, write);
        if (at == nullptr)
            return false;
        move(at, done, part);
        done += part;
    }
    return true;
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
    console().hooks.output = [](std::span<char const> text)
    {
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

void set_threaded(bool is_threaded)
{
    threaded = is_threaded;
}

std::uint64_t now()
{
    return clock_now;
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

std::uint64_t guest_allocate(std::size_t bytes)
{
    auto block = std::make_unique<std::byte[]>(bytes);
    auto const address = reinterpret_cast<std::uint64_t>(block.get());
    guest_blocks[address] = {std::move(block), bytes};
    return address;
}

void guest_release_all()
{
    guest_blocks.clear();
}

void* guest_data(std::uint64_t address)
{
    return reinterpret_cast<void*>(address);
}

std::string take_log()
{
    std::lock_guard const guard(log_mutex);
    return std::exchange(log_text, {});
}

Domain& make_domain(DomainSettings settings, unsigned vcpus)
{
    boot();
    settings.max_vcpus = vcpus;
    Domain& domain = *create_domain(settings.control ? 0 : ~0u, settings).value();
    domain.max_pages = kFrames;
    for (unsigned number = 0; number < vcpus; ++number)
        (void)create_vcpu(domain).value();
    return domain;
}

Domain& make_domain(unsigned vcpus, bool control)
{
    DomainSettings settings;
    settings.control = control;
    return make_domain(settings, vcpus);
}

void start(Domain& domain)
{
    for (std::uint32_t id = 0; id < domain.vcpu_count; ++id)
    {
        domain.vcpus[id]->initialised = true;
        vcpu_up(*domain.vcpus[id]);
    }
    domain_unpause_by_controller(domain).value();
}

void destroy(Domain& domain)
{
    domain.control = false; // only a test may end the control domain
    for (int round = 0; round < 100000; ++round)
    {
        Budget budget(100000);
        auto const ended = destroy_domain(domain, budget);
        if (ended)
        {
            domain_release(domain);
            return;
        }
        if (ended.error() != Errno::Restart)
            ended.value();
    }
    std::fprintf(stderr, "destroying a domain does not end\n");
    std::abort();
}

Mfn guest_page(Domain& domain)
{
    return allocate_domain_frames(domain, 0).value();
}

} // namespace hv::host

namespace hv
{

void bug(char const* what, char const* file, int line)
{
    std::fprintf(stderr, "BUG: %s at %s:%d\n", what, file, line);
    std::abort();
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

namespace hv::port
{

using host::cpus;
using host::current_cpu;

CpuId cpu_id()
{
    return CpuId{current_cpu};
}

std::uint32_t online_cpus()
{
    return host::kCpus;
}

Vcpu* current()
{
    return cpus[current_cpu].current;
}

std::byte* frame_data(Mfn frame)
{
    return host::ram + frame.raw() * kPageSize;
}

Mfn max_mfn()
{
    return Mfn{host::kFrames};
}

std::uint64_t* m2p()
{
    return host::m2p_table;
}

std::uint32_t m2p_chunks()
{
    return 1;
}

Mfn m2p_chunk_frame(std::uint32_t)
{
    return Mfn{0}; // the table lies outside the simulated RAM; frame 0 is the machine's
}

std::span<abi::e820entry const> machine_memory_map()
{
    static constexpr abi::e820entry kMap[] = {{0, host::kFrames * kPageSize, 1}};
    return kMap;
}

void guest_iret(Vcpu& vcpu)
{
    vcpu.pv.nmi_masked = false; // there is no guest frame to load here
}

bool copy_from_guest(void* destination, GuestVirtual source, std::size_t bytes)
{
    return host::copy_by_page(source.raw(), bytes, false, [&](std::byte* at, std::size_t done, std::size_t part)
                              { std::memcpy(static_cast<std::byte*>(destination) + done, at, part); });
}

bool copy_to_guest(GuestVirtual destination, void const* source, std::size_t bytes)
{
    return host::copy_by_page(destination.raw(), bytes, true, [&](std::byte* at, std::size_t done, std::size_t part)
                              { std::memcpy(at, static_cast<std::byte const*>(source) + done, part); });
}

void flush_tlb(CpuMask targets, Flush kind, GuestVirtual address)
{
    ++host::flush_record.calls;
    host::flush_record.last_targets = targets;
    host::flush_record.last_kind = kind;
    host::flush_record.last_address = address;
    if (kind != Flush::Page)
        targets.for_each([](CpuId cpu) { note_full_flush(cpu); });
}

void write_back_caches() {}
void load_roots(Vcpu&) {}
void map_gdt(Vcpu&) {}
void load_ldt(Vcpu&) {}
void map_ldt_page(Vcpu&, unsigned, Mfn) {}

void unmap_ldt(Vcpu&, Mfn (&frames)[16])
{
    for (Mfn& frame : frames)
        frame = kInvalidMfn;
}

std::size_t fpu_area_size()
{
    return 1024;
}

void reset_fpu(Vcpu& vcpu)
{
    std::memset(vcpu.pv.fpu, 0, fpu_area_size());
}

void set_fpu(Vcpu& vcpu, std::byte const* legacy, std::size_t bytes)
{
    std::memcpy(vcpu.pv.fpu, legacy, std::min(bytes, fpu_area_size()));
}

void get_fpu(Vcpu const& vcpu, std::byte* legacy, std::size_t bytes)
{
    std::memcpy(legacy, vcpu.pv.fpu, std::min(bytes, fpu_area_size()));
}

Result<void> create_window(Vcpu&)
{
    return {};
}

void destroy_window(Vcpu&) {}
void unload_domain(Domain&) {}
void task_switched_changed(Vcpu&) {}
void debug_registers_changed(Vcpu&) {}

void set_segment_base(Vcpu& vcpu, SegmentBase which, std::uint64_t base)
{
    (which == SegmentBase::Fs       ? vcpu.pv.fs_base
     : which == SegmentBase::GsUser ? vcpu.pv.gs_base_user
                                    : vcpu.pv.gs_base_kernel) = base;
}

void set_user_gs_selector(Vcpu& vcpu, std::uint16_t selector)
{
    vcpu.pv.gs_user_selector = selector;
}

void log_guest_state() {}

void kick(CpuId cpu)
{
    ++cpus[cpu.raw()].kicks;
}

void request_schedule(CpuId cpu)
{
    cpus[cpu.raw()].schedule_requested = true;
    if (cpu.raw() != current_cpu)
        ++cpus[cpu.raw()].kicks;
}

std::uint64_t tsc()
{
    return host::clock_now * 2; // 2 GHz
}

Nanoseconds now()
{
    return Nanoseconds{host::clock_now};
}

void set_timer(Nanoseconds deadline)
{
    ++cpus[current_cpu].timer_writes;
    cpus[current_cpu].timer = deadline.raw();
}

TscScale tsc_scale()
{
    return {0x80000000, 0, host::stable_tsc, 2'000'000};
}

} // namespace hv::port
