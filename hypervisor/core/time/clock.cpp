// SPDX-License-Identifier: MIT
// pvclock, wall clock and the areas that a guest registered. Protocols: public header xen.h (vcpu_time_info,
// shared_info.wc_version) and vcpu.h (XEN_RUNSTATE_UPDATE).
#include <core/time/clock.hpp>
#include <lib/atomic.hpp>
#include <lib/spinlock.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

inline constexpr std::uint64_t kSecond = 1'000'000'000;

struct WallClockState
{
    SpinLock lock{LockRank::WallClock};
    std::uint64_t at_boot = 0; // nanoseconds of Unix time at system time 0
    std::uint32_t generation = 1;
};

constinit WallClockState wall;

// With a stable TSC all vCPUs get one and the same line from TSC to system time, fixed at the first use: their clocks
// agree to the bit and never need a refresh.
struct StableLine
{
    SpinLock lock{LockRank::StableClock};
    std::uint64_t tsc = 0;
    Nanoseconds system_time{};
    bool valid = false;
};

constinit StableLine stable_line;

void sample(bool stable, std::uint64_t& tsc, Nanoseconds& system_time)
{
    if (!stable)
    {
        tsc = port::tsc();
        system_time = port::now();
        return;
    }
    Guard guard(stable_line.lock);
    if (!stable_line.valid)
    {
        stable_line.tsc = port::tsc();
        stable_line.system_time = port::now();
        stable_line.valid = true;
    }
    tsc = stable_line.tsc;
    system_time = stable_line.system_time;
}

void barrier()
{
    __atomic_thread_fence(__ATOMIC_RELEASE); // x86 keeps stores in order; the compiler must too
}

bool copy_out(GuestVirtual area, std::size_t offset, void const* from, std::size_t bytes)
{
    return port::copy_to_guest(area + offset, from, bytes);
}

// The secondary copy follows the version protocol in guest memory: odd while it changes.
void write_time_area(Vcpu& vcpu)
{
    abi::vcpu_time_info copy;
    __builtin_memcpy(&copy, &vcpu.info->time, sizeof(copy));
    std::uint32_t const version = copy.version & ~1u;
    std::uint32_t const odd = version - 1;
    constexpr std::size_t kBody = sizeof(copy.version);
    if (!copy_out(vcpu.time.time_area, 0, &odd, sizeof(odd)))
        return;
    if (copy_out(vcpu.time.time_area, kBody, reinterpret_cast<std::byte const*>(&copy) + kBody, sizeof(copy) - kBody))
        (void)copy_out(vcpu.time.time_area, 0, &version, sizeof(version));
}

void write_runstate_area(Vcpu& vcpu)
{
    GuestVirtual const area = vcpu.time.runstate_area;
    abi::vcpu_runstate_info copy = vcpu.time.runstate;
    constexpr std::size_t kEntry = offsetof(abi::vcpu_runstate_info, state_entry_time);
    bool const announces = (vcpu.domain().vm_assist & (1u << VMASST_TYPE_runstate_update_flag)) != 0;
    if (!announces)
    {
        (void)copy_out(area, 0, &copy, sizeof(copy));
        return;
    }
    std::uint64_t const final_entry = copy.state_entry_time;
    copy.state_entry_time |= XEN_RUNSTATE_UPDATE;
    if (!copy_out(area, kEntry, &copy.state_entry_time, sizeof(copy.state_entry_time)))
        return;
    barrier();
    if (!copy_out(area, 0, &copy, sizeof(copy)))
        return;
    barrier();
    (void)copy_out(area, kEntry, &final_entry, sizeof(final_entry));
}

// Areas lie where the guest's kernel is mapped, and a vCPU is mostly preempted in user mode.
void in_kernel_memory(Vcpu& vcpu, void (*write)(Vcpu&))
{
    port::show_kernel_memory(vcpu);
    write(vcpu);
    port::hide_kernel_memory(vcpu);
}

} // namespace

void wallclock_set(std::uint64_t seconds, std::uint32_t nanoseconds, Nanoseconds system_time)
{
    Guard guard(wall.lock);
    std::uint64_t const total = seconds * kSecond + nanoseconds;
    wall.at_boot = total > system_time.raw() ? total - system_time.raw() : 0;
    store_release(wall.generation, wall.generation + 1);
}

std::uint64_t wallclock_seconds()
{
    Guard guard(wall.lock);
    return (wall.at_boot + port::now().raw()) / kSecond;
}

void update_domain_wallclock(Domain& domain)
{
    if (domain.shared_info == nullptr)
        return;
    Guard guard(wall.lock);
    std::uint64_t const seconds = wall.at_boot / kSecond + static_cast<std::uint64_t>(domain.time_offset_seconds);
    abi::shared_info& shared = *domain.shared_info;
    std::uint32_t const odd = load_relaxed(shared.wc_version) | 1;
    store_relaxed(shared.wc_version, odd);
    barrier();
    store_relaxed(shared.wc_sec, seconds);
    store_relaxed(shared.wc_sec_hi, seconds >> 32);
    store_relaxed(shared.wc_nsec, wall.at_boot % kSecond);
    barrier();
    store_relaxed(shared.wc_version, odd + 1);
    store_relaxed(domain.wallclock_generation, wall.generation);
}

void update_vcpu_time_info(Vcpu& vcpu)
{
    port::TscScale const scale = port::tsc_scale();
    std::uint64_t tsc = 0;
    Nanoseconds system_time{};
    sample(scale.stable, tsc, system_time);
    abi::vcpu_time_info& time = vcpu.info->time;
    std::uint32_t const odd = load_relaxed(time.version) | 1;
    store_relaxed(time.version, odd);
    barrier();
    store_relaxed(time.tsc_timestamp, tsc);
    store_relaxed(time.system_time, system_time.raw());
    store_relaxed(time.tsc_to_system_mul, scale.mul);
    store_relaxed(time.tsc_shift, scale.shift);
    store_relaxed(time.flags, scale.stable ? XEN_PVCLOCK_TSC_STABLE_BIT : 0);
    barrier();
    store_relaxed(time.version, odd + 1);
    vcpu.time.info_generation = scale.stable ? 1 : 0;
}

void vcpu_runstate_change(Vcpu& vcpu, int state, Nanoseconds now)
{
    abi::vcpu_runstate_info& info = vcpu.time.runstate;
    if (now.raw() > info.state_entry_time)
        info.time[info.state] += now.raw() - info.state_entry_time;
    store_release(info.state, state); // after the time, which vcpu_time_running() may read without the lock
    info.state_entry_time = now.raw();
}

void vcpu_time_on_schedule_in(Vcpu& vcpu)
{
    if (vcpu.time.info_generation == 0)
    {
        update_vcpu_time_info(vcpu);
        if (vcpu.time.time_area.raw() != 0)
            in_kernel_memory(vcpu, &write_time_area);
    }
    if (vcpu.domain().wallclock_generation != load_acquire(wall.generation))
        update_domain_wallclock(vcpu.domain());
    if (vcpu.time.runstate_area.raw() != 0)
        in_kernel_memory(vcpu, &write_runstate_area);
}

void vcpu_time_on_schedule_out(Vcpu& vcpu)
{
    if (vcpu.time.runstate_area.raw() != 0)
        in_kernel_memory(vcpu, &write_runstate_area);
}

Result<void> vcpu_register_time_area(Vcpu& vcpu, GuestVirtual area)
{
    vcpu.time.time_area = area;
    if (area.raw() == 0)
        return {};
    update_vcpu_time_info(vcpu);
    if (&vcpu == port::current())
        write_time_area(vcpu);
    else
        vcpu.time.info_generation = 0; // written at its next switch
    return {};
}

Result<void> vcpu_register_runstate_area(Vcpu& vcpu, GuestVirtual area)
{
    bool const now = area.raw() != 0 && &vcpu == port::current();
    if (now)
    {
        abi::vcpu_runstate_info const content = vcpu_runstate(vcpu);
        HV_REQUIRE(port::copy_to_guest(area, &content, sizeof(content)), Errno::Fault);
    }
    vcpu.time.runstate_area = area;
    if (now)
        write_runstate_area(vcpu);
    return {};
}

} // namespace hv
