// SPDX-License-Identifier: MIT
// The simulated machine behind the hosted port: RAM, CPUs that switch vCPUs, a clock that tests move.
//
// One process has one machine, booted at first use. The calling thread acts as one CPU at a time (use_cpu); guests
// "run" by time passing while they are current. Each test leaves the machine as it found it: MachineTest checks that.
#pragma once

#include <core/domain/lifecycle.hpp>
#include <port/port.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace hv::host
{

inline constexpr unsigned kCpus = 4;
inline constexpr unsigned kToolCpu = kCpus;     // where test code runs: no vCPU is ever scheduled there
inline constexpr std::uint64_t kFrames = 32768; // 128 MiB

struct Cpu
{
    Vcpu* current = nullptr;
    std::atomic<bool> schedule_requested = false;
    std::atomic<std::uint64_t> kicks = 0;
    std::uint64_t timer = 0; // deadline in nanoseconds, 0 = off
    std::uint64_t timer_writes = 0;
    std::uint64_t switches = 0;
};

struct Flushes
{
    std::uint64_t calls = 0;
    std::uint32_t remote = 0; // of them, those that named other CPUs
    CpuMask last_targets;
    port::Flush last_kind = port::Flush::All;
    GuestVirtual last_address{};
    Mfn last_written_back = kInvalidMfn;
};

// The control domain ended: the machine would stop.
struct MachineShutdown : std::runtime_error
{
    explicit MachineShutdown(std::uint32_t reason_) : std::runtime_error("machine shutdown"), reason(reason_) {}
    std::uint32_t reason;
};

void boot(); // once; later calls do nothing
Cpu& cpu(unsigned number);
void use_cpu(unsigned number); // the calling thread is this CPU from now on
unsigned this_cpu_number();
Flushes& flushes();
void set_stable_tsc(bool stable);
// True while one thread per CPU calls pass(): waiting then means waiting for that thread.
void set_threaded(bool threaded);

// ---- time
std::uint64_t now();
void advance(std::uint64_t nanoseconds); // the clock alone
// From now on each look at the clock moves it on by this much: time that the hypervisor itself takes. 0 ends that.
void set_clock_step(std::uint64_t nanoseconds);
// One pass of a CPU's way out of the hypervisor: expired timers, then a requested choice, with the context switch.
void pass(unsigned number);
void settle();                           // passes of all CPUs until nothing is requested
void run_for(std::uint64_t nanoseconds); // time passes from timer to timer, all CPUs follow
// Makes the vCPU current on a CPU without the scheduler, for tests of other parts.
void make_current(unsigned number, Vcpu* vcpu);

// Called at every look at the machine-to-phys table, as each frame that is taken back needs one: what another CPU does just
// then. nullptr: nothing.
void set_m2p_hook(void (*hook)());

// What is in the LDT part of the vCPU's descriptor window; kInvalidMfn = no page.
std::array<Mfn, 16> ldt_window(Vcpu const& vcpu);

// ---- memory that stands for the guest's: addresses given out by guest_allocate() can be copied from and to while no
// page tables are used; others are looked up through the current vCPU's kernel root. While a vCPU is in user mode, none of
// it can be reached, unless the hypervisor shows the kernel's memory.
std::uint64_t guest_allocate(std::size_t bytes);
void guest_release_all();
void* guest_data(std::uint64_t address);
template<typename T>
T* guest_new(T const& value = T{})
{
    return new (guest_data(guest_allocate(sizeof(T)))) T(value);
}
template<typename T>
std::uint64_t guest_address(T* object)
{
    return reinterpret_cast<std::uint64_t>(object);
}

// ---- what the hypervisor's console has printed since the last call
std::string take_log();

// ---- domains for tests
Domain& make_domain(unsigned vcpus = 1, bool control = false);
Domain& make_domain(DomainSettings settings, unsigned vcpus);
void start(Domain& domain);     // its vCPUs are up and it is unpaused
void destroy(Domain& domain);   // and drops the test's reference
Mfn guest_page(Domain& domain); // a new frame of its RAM

} // namespace hv::host
