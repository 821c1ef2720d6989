// SPDX-License-Identifier: MIT
// The seam between the core and the machine. Two implementations: arch/x86_64 (freestanding) and tests/host-port
// (simulated machine memory and guests). Everything here is callable with interrupts off and takes no lock.
#pragma once

#include <hypercalls/abi/xen.hpp>
#include <lib/cpu_mask.hpp>
#include <lib/result.hpp>
#include <lib/strong.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace hv
{
class Vcpu;
class Domain;
} // namespace hv

namespace hv::port
{

// ---- who runs here
CpuId cpu_id();
std::uint32_t online_cpus(); // CPUs have ids 0..online_cpus()-1
Vcpu* current();             // the vCPU whose guest state is in this CPU's frame; nullptr when idle

// ---- machine memory
std::byte* frame_data(Mfn frame); // our view of a RAM frame; never fails for frames below max_mfn()
Mfn max_mfn();                    // highest RAM frame + 1
std::uint64_t* m2p();             // machine-to-phys table, writable view, max_mfn() entries
std::uint32_t m2p_chunks();       // 2 MiB pieces that it is made of
Mfn m2p_chunk_frame(std::uint32_t index);
std::span<abi::e820entry const> machine_memory_map(); // the host's, as the control domain may see it

// ---- guest memory of the current vCPU, through its kernel root. False on any fault: the guest gets EFAULT.
// Refuses ranges that touch the hypervisor's part of the address space.
bool copy_from_guest(void* destination, GuestVirtual source, std::size_t bytes);
bool copy_to_guest(GuestVirtual destination, void const* source, std::size_t bytes);
bool store_to_guest(GuestVirtual destination, std::uint64_t value); // the same for one word
// The same for small structures, without a loop: 1 to 8 words, and half a word.
inline constexpr std::size_t kMaxWords = 8;
template<std::size_t kWords>
bool load_words_from_guest(std::uint64_t (&words)[kWords], GuestVirtual source);
template<std::size_t kWords>
bool store_words_to_guest(GuestVirtual destination, std::uint64_t const (&words)[kWords]);
bool load_half_from_guest(std::uint32_t& half, GuestVirtual source);
// A field of the structure at `object` that load_words_from_guest() has read in the same call: its place was checked then.
bool update_short_in_guest(GuestVirtual object, std::size_t offset, std::uint16_t value);

// ---- TLB. Returns when every CPU in `targets` (this one included) has flushed. May serve others' requests meanwhile.
enum class Flush : std::uint8_t
{
    NonGlobal, // what a CR3 load drops
    All,       // global entries and paging-structure caches too
    Page,      // one address, global or not
};
void flush_tlb(CpuMask targets, Flush kind, GuestVirtual address = GuestVirtual{});
// How often this CPU has made others flush, ever: what is dear for everybody, whatever a call's budget says.
std::uint32_t remote_flushes();
void flush_own_tlb(Flush kind, GuestVirtual address = GuestVirtual{}); // of this CPU alone

void write_back_caches();         // WBINVD on this CPU
void write_back_frame(Mfn frame); // writes the frame's lines back and drops them from all caches

// ---- the address space and descriptor window of a vCPU. For vCPUs whose state is not loaded on any CPU these only
// change the window's page tables; each returns when no CPU can use what it replaced.
void load_roots(Vcpu& vcpu); // current vCPU: load the root of its present mode, flushing everything
void map_gdt(Vcpu& vcpu);    // pv.gdt_frames and gdt_entries changed
void load_ldt(Vcpu& vcpu);   // pv.ldt_base or ldt_entries changed; the window holds no LDT page
// Makes the memory of the guest's kernel reachable for copies while its current vCPU is in user mode, and ends that again.
void show_kernel_memory(Vcpu const& vcpu);
void hide_kernel_memory(Vcpu const& vcpu);
void map_ldt_page(Vcpu& vcpu, unsigned page, Mfn frame);
void unmap_ldt(Vcpu& vcpu, Mfn (&frames)[16]); // takes all LDT pages out; frames[n] = what page n was

// ---- hardware state of vCPUs
std::size_t fpu_area_size();            // bytes of PvState::fpu
void reset_fpu(Vcpu& vcpu);             // not loaded: FPU area at its reset state
Result<void> create_window(Vcpu& vcpu); // descriptor window; NoMem
void destroy_window(Vcpu& vcpu);        // harmless when there is none
void unload_domain(Domain& domain);     // no CPU keeps lazily loaded state of its (descheduled) vCPUs
void set_fpu(Vcpu& vcpu, std::byte const* legacy, std::size_t bytes); // not loaded: from an FXSAVE image
void get_fpu(Vcpu const& vcpu, std::byte* legacy, std::size_t bytes); // not loaded: the FXSAVE part
void task_switched_changed(Vcpu& vcpu);                               // current: pv.fpu_task_switched
enum class SegmentBase : std::uint8_t                                 // numbers of set_segment_base
{
    Fs = 0,
    GsUser = 1,
    GsKernel = 2,
};
void set_segment_base(Vcpu& vcpu, SegmentBase which, std::uint64_t base); // current, kernel mode; canonical
void set_user_gs_selector(Vcpu& vcpu, std::uint16_t selector); // current, kernel mode; a bad one becomes null
void log_guest_state();                                        // the current vCPU's registers, for crash reports

// ---- other CPUs
void kick(CpuId cpu);             // makes `cpu` pass through its exit path or leave its idle loop soon; may be this CPU
void request_schedule(CpuId cpu); // marks `cpu` to choose again who runs, and kicks it unless it is this CPU
void request_own_schedule();      // the same for this CPU

// ---- time
std::uint64_t tsc();
Nanoseconds now();                    // since boot, monotonic and the same on all CPUs
void set_timer(Nanoseconds deadline); // this CPU's one-shot; 0 turns it off; the past fires at once
struct TscScale                       // pvclock: ns = ((tsc << shift) * mul) >> 32, shift may be negative
{
    std::uint32_t mul;
    std::int8_t shift;
    bool stable; // invariant and synchronised across CPUs
    std::uint64_t khz;
};
TscScale tsc_scale();
struct WallClock
{
    std::uint64_t seconds; // Unix time at system time 0
    std::uint32_t nanoseconds;
};

} // namespace hv::port
