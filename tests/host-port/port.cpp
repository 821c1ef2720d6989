// SPDX-License-Identifier: MIT
// The hosted port: what hypervisor/port/port.hpp asks for, on simulated hardware.
#include "state.hpp"

#include <core/domain/guest_iret.hpp>
#include <core/mm/tlb_clock.hpp>

#include <algorithm>
#include <cstring>
#include <map>

namespace hv::host
{
namespace
{

std::map<Vcpu const*, std::array<Mfn, 16>> ldt_windows;

} // namespace

std::array<Mfn, 16> ldt_window(Vcpu const& vcpu)
{
    auto const found = ldt_windows.find(&vcpu);
    if (found != ldt_windows.end())
        return found->second;
    std::array<Mfn, 16> empty;
    empty.fill(kInvalidMfn);
    return empty;
}

} // namespace hv::host

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
    if (host::m2p_hook != nullptr)
        host::m2p_hook();
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
    return host::copy_in(destination, source.raw(), bytes);
}

bool copy_to_guest(GuestVirtual destination, void const* source, std::size_t bytes)
{
    return host::copy_out(destination.raw(), source, bytes);
}

bool store_to_guest(GuestVirtual destination, std::uint64_t value)
{
    return host::copy_out(destination.raw(), &value, sizeof(value));
}

template<std::size_t kWords>
bool load_words_from_guest(std::uint64_t (&words)[kWords], GuestVirtual source)
{
    return host::copy_in(words, source.raw(), sizeof(words));
}

template<std::size_t kWords>
bool store_words_to_guest(GuestVirtual destination, std::uint64_t const (&words)[kWords])
{
    return host::copy_out(destination.raw(), words, sizeof(words));
}

#define HV_WORDS(count) \
    template bool load_words_from_guest<count>(std::uint64_t(&)[count], GuestVirtual); \
    template bool store_words_to_guest<count>(GuestVirtual, std::uint64_t const(&)[count]);
HV_WORDS(1)
HV_WORDS(2)
HV_WORDS(3)
HV_WORDS(4)
HV_WORDS(5)
HV_WORDS(6)
HV_WORDS(7)
HV_WORDS(8)
#undef HV_WORDS

bool update_short_in_guest(GuestVirtual object, std::size_t offset, std::uint16_t value)
{
    return host::copy_out(object.raw() + offset, &value, sizeof(value));
}

bool load_half_from_guest(std::uint32_t& half, GuestVirtual source)
{
    return host::copy_in(&half, source.raw(), sizeof(half));
}

void flush_tlb(CpuMask targets, Flush kind, GuestVirtual address)
{
    ++host::flush_record.calls;
    if (!(targets & ~CpuMask::of(cpu_id())).empty())
        ++host::flush_record.remote;
    host::flush_record.last_targets = targets;
    host::flush_record.last_kind = kind;
    host::flush_record.last_address = address;
    if (kind != Flush::Page)
        targets.for_each([](CpuId cpu) { note_full_flush(cpu); });
}

std::uint32_t remote_flushes()
{
    return host::flush_record.remote;
}

void flush_own_tlb(Flush kind, GuestVirtual address)
{
    flush_tlb(CpuMask::of(cpu_id()), kind, address);
}

void write_back_caches() {}

void write_back_frame(Mfn frame)
{
    host::flush_record.last_written_back = frame;
}

void show_kernel_memory(Vcpu const& vcpu)
{
    host::shown_vcpu = &vcpu;
}

void hide_kernel_memory(Vcpu const&)
{
    host::shown_vcpu = nullptr;
}

void load_roots(Vcpu&) {}
void map_gdt(Vcpu&) {}
void load_ldt(Vcpu&) {}

void map_ldt_page(Vcpu& vcpu, unsigned page, Mfn frame)
{
    auto const found = host::ldt_windows.try_emplace(&vcpu, host::ldt_window(vcpu)).first;
    found->second[page] = frame;
}

void unmap_ldt(Vcpu& vcpu, Mfn (&frames)[16])
{
    std::array<Mfn, 16> const window = host::ldt_window(vcpu);
    std::copy(window.begin(), window.end(), frames);
    host::ldt_windows.erase(&vcpu);
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

void request_own_schedule()
{
    cpus[current_cpu].schedule_requested = true;
}

std::uint64_t tsc()
{
    return host::clock_now * 2; // 2 GHz
}

Nanoseconds now()
{
    return Nanoseconds{host::clock_now += host::clock_step};
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
