// SPDX-License-Identifier: MIT
// The seam between the core and the machine. Two implementations: arch/x86_64 (freestanding) and tests/host-port
// (simulated machine memory and guests). Everything here is callable with interrupts off and takes no lock.
#pragma once

#include <lib/cpu_mask.hpp>
#include <lib/strong.hpp>

#include <cstddef>
#include <cstdint>

namespace hv
{
class Vcpu;
class Domain;
} // namespace hv

namespace hv::port
{

// ---- who runs here
CpuId cpu_id();
std::uint32_t online_cpus();        // CPUs have ids 0..online_cpus()-1
Vcpu* current();                    // the vCPU whose guest state is in this CPU's frame; nullptr when idle

// ---- machine memory
std::byte* frame_data(Mfn frame);   // our view of a RAM frame; never fails for frames below max_mfn()
Mfn max_mfn();                      // highest RAM frame + 1
std::uint64_t* m2p();               // machine-to-phys table, writable view, max_mfn() entries

// ---- guest memory of the current vCPU, through its kernel root. False on any fault: the guest gets EFAULT.
// Refuses ranges that touch the hypervisor's part of the address space.
bool copy_from_guest(void* destination, GuestVirtual source, std::size_t bytes);
bool copy_to_guest(GuestVirtual destination, void const* source, std::size_t bytes);

// ---- TLB. Returns when every CPU in `targets` (this one included) has flushed. May serve others' requests meanwhile.
enum class Flush : std::uint8_t
{
    NonGlobal, // what a CR3 load drops
    All,       // global entries and paging-structure caches too
    Page,      // one address, global or not
};
void flush_tlb(CpuMask targets, Flush kind, GuestVirtual address = GuestVirtual{});

// ---- other CPUs
void kick(CpuId cpu);               // makes `cpu` pass through its exit path or leave its idle loop soon; may be this CPU
void request_schedule(CpuId cpu);   // marks `cpu` to choose again who runs, and kicks it unless it is this CPU

// ---- time
std::uint64_t tsc();
Nanoseconds now();                  // since boot, monotonic and the same on all CPUs
void set_timer(Nanoseconds deadline); // this CPU's one-shot; 0 turns it off; the past fires at once
struct TscScale                     // pvclock: ns = ((tsc << shift) * mul) >> 32, shift may be negative
{
    std::uint32_t mul;
    std::int8_t shift;
    bool stable;                    // invariant and synchronised across CPUs
    std::uint64_t khz;
};
TscScale tsc_scale();
struct WallClock
{
    std::uint64_t seconds;          // Unix time at system time 0
    std::uint32_t nanoseconds;
};

} // namespace hv::port
