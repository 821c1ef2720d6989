// SPDX-License-Identifier: MIT
// From a running platform to a running control domain.
#include <config.hpp>

#include <arch/x86_64/acpi/tables.hpp>
#include <arch/x86_64/boot/boot_info.hpp>
#include <arch/x86_64/boot/direct_map.hpp>
#include <arch/x86_64/boot/memory_map.hpp>
#include <arch/x86_64/boot/options.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/boot/start.hpp>
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/host_cpu.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/decompress/unpack.hpp>
#include <arch/x86_64/panic/panic.hpp>
#include <arch/x86_64/panic/reset.hpp>
#include <arch/x86_64/time/clock.hpp>
#include <core/builder/control_domain.hpp>
#include <core/domain/machine.hpp>
#include <core/domain/range_set.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/device_memory.hpp>
#include <core/mm/frame_table.hpp>
#include <core/mm/page_table.hpp>
#include <core/policy/system_policies.hpp>
#include <core/policy/version_facts.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <core/trace/last_hypercalls.hpp>
#include <lib/log.hpp>
#include <port/port.hpp>

#include <bit>

namespace hv
{
namespace
{

constexpr std::uint64_t kLowMemory = 1ull << 20;

// What a panic adds about the guest whose entry we were serving. Guest memory is not touched: that may be what broke.
void report_running_vcpu()
{
    if (Vcpu const* const running = port::current(); running != nullptr)
    {
        log_error("Running: vCPU {} of domain {}", running->id(), running->domain().id());
        log_last_hypercalls(*running);
    }
}

// Frames: RAM that boot used is ours, what it left is free, everything else is a device's.
void start_frame_allocator(BootInfo const& info)
{
    init_frame_table(reinterpret_cast<FrameInfo*>(layout::kFrameTable), max_frame());
    for (MemoryMapEntry const& entry : info.memory())
        if (entry.type == MemoryMapEntry::Ram && entry.start + entry.length > kLowMemory)
        {
            std::uint64_t const start = entry.start < kLowMemory ? kLowMemory : entry.start;
            mark_hypervisor_range(Mfn{(start + kPageSize - 1) >> kPageShift},
                                  Mfn{(entry.start + entry.length) >> kPageShift});
        }
    FreeRanges const& free = take_free_ranges();
    for (std::uint32_t i = 0; i < free.count; ++i)
        add_free_range(to_mfn(free.ranges[i].start), to_mfn(free.ranges[i].end()));
    for (std::uint32_t i = 0; i < m2p_chunk_count(); ++i)
        export_frames(m2p_chunk(i), m2p_chunk(i) + 512);
    hypervisor_l4_slots(g_hypervisor_slots);
}

void deny_our_devices()
{
    // Nothing lies beyond the physical address width: such an entry would set reserved bits.
    deny_device_frames(Mfn{1ull << (cpu_features().physical_bits - kPageShift)}, Mfn{1ull << (52 - kPageShift)});
    deny_device_frames(Mfn{0xfee00}, Mfn{0xfef00}); // local APIC and the MSI window
    for (std::uint32_t i = 0; i < firmware().io_apic_count; ++i)
    {
        Mfn const frame = to_mfn(firmware().io_apics[i].address);
        deny_device_frames(frame, frame + 1);
    }
}

// A module's frames go to the allocator when nobody needs its contents any more.
void release_module(BootModule const& module)
{
    add_free_range(to_mfn(module.start), to_mfn(module.start + module.length + kPageSize - 1));
}

// The kernel's ELF image; the arena that may hold it is boot memory, free again once the domain is built.
struct KernelFile
{
    builder::Bytes image;
    MachineAddress arena{};
    std::uint64_t arena_bytes = 0;
};

KernelFile unpack_control_kernel(BootModule const& module)
{
    std::span<std::byte> const file(direct_map<std::byte>(module.start), module.length);
    auto const bytes = unpack_arena_bytes(file);
    if (!bytes)
        panic("the control domain's kernel cannot be unpacked");
    KernelFile kernel;
    kernel.arena_bytes = (bytes.value() + kPageSize - 1) & kPageMask;
    if (kernel.arena_bytes != 0)
        kernel.arena = boot_reserve(kernel.arena_bytes);
    BootArena arena({direct_map<std::byte>(kernel.arena), kernel.arena_bytes});
    auto const image = unpack_kernel(file, arena);
    if (!image)
        panic("the control domain's kernel cannot be unpacked");
    kernel.image = image.value();
    return kernel;
}

// What the control domain leaves for DMA buffers, guests and ourselves when dom0_mem does not say otherwise.
std::uint64_t default_reserve(std::uint64_t frames)
{
    constexpr std::uint64_t kMost = (std::uint64_t{config::kDmaReserveMib} << 20) >> kPageShift;
    return frames / 16 < kMost ? frames / 16 : kMost;
}

std::uint32_t control_vcpus()
{
    std::uint32_t count = cpu_count();
    if (options().dom0_vcpus_maximum != 0 && count > options().dom0_vcpus_maximum)
        count = options().dom0_vcpus_maximum;
    return count > options().dom0_vcpus_minimum ? count : options().dom0_vcpus_minimum;
}

// The module's own first word is its file name with some loaders; a kernel's arguments are the rest.
builder::ControlDomainPlan make_plan(BootInfo const& info, builder::Bytes kernel)
{
    builder::ControlDomainPlan plan;
    plan.kernel = kernel;
    plan.command_line = info.modules[0].command_line;
    if (info.module_count > 1)
    {
        plan.initrd = info.modules[1].start;
        plan.initrd_bytes = info.modules[1].length;
    }
    std::uint64_t const initrd_frames = (plan.initrd_bytes + kPageSize - 1) >> kPageShift;
    std::uint64_t const available = (free_frames() + initrd_frames) << kPageShift;
    std::uint64_t const usable = available - (default_reserve(available >> kPageShift) << kPageShift);
    std::uint64_t bytes = options().dom0_memory.resolve(available, usable);
    std::uint64_t const lowest = options().dom0_memory_minimum.resolve(available, 0);
    std::uint64_t const highest = options().dom0_memory_maximum.resolve(available, bytes);
    bytes = bytes < lowest ? lowest : bytes;
    bytes = bytes > highest ? highest : bytes;
    plan.frames = bytes >> kPageShift;
    plan.max_frames = (highest > bytes ? highest : bytes) >> kPageShift;
    plan.vcpus = control_vcpus();
    plan.pin_vcpus = options().dom0_vcpus_pin;
    return plan;
}

// Everything but what we drive ourselves (surface.md 1.11); what is left out reads as all ones.
void give_devices(Domain& domain)
{
    domain.io_ports = heap_new<RangeSet>();
    domain.io_memory = heap_new<RangeSet>();
    bool const made = domain.io_ports != nullptr && domain.io_memory != nullptr && domain.io_ports->add(0, 0xffff);
    if (!made)
        panic("no memory for the control domain's rights");
    struct
    {
        std::uint16_t first, last;
    } const ours[] = {{0x20, 0x21}, {0xa0, 0xa1}, {0x40, 0x43}, {0x61, 0x61}, {0x70, 0x71}, {0xcf8, 0xcff}};
    for (auto const& range : ours)
        domain.io_ports->remove(range.first, range.last).value();
    SerialOptions const& serial = options().com1;
    if ((options().consoles & static_cast<std::uint32_t>(ConsoleDevice::Com1)) != 0)
        domain.io_ports->remove(serial.port, serial.port + 7u).value();
    domain.io_memory->add(0, (1ull << 40) - 1).value();
}

void start_policies()
{
    static MachineCpu host;
    policy::MachineFacts facts;
    port::TscScale const scale = port::tsc_scale();
    facts.address_bits = std::bit_width(to_address(max_frame()).raw() - 1);
    facts.tsc_khz = scale.khz;
    facts.tsc_reliable = scale.stable;
    facts.tsc_mul = scale.mul;
    facts.tsc_shift = scale.shift;
    policy::initialise_policies(host, facts);
}

} // namespace

void start_machine(BootInfo const& info)
{
    if (info.module_count == 0)
        panic("no kernel for the control domain: the boot loader passed no module");
    BootModule const& module = info.modules[0];
    KernelFile const kernel = unpack_control_kernel(module);
    start_frame_allocator(info);
    deny_our_devices();
    start_policies();
    policy::set_version_facts({info.command_line, {}});
    port::WallClock const clock = boot_wall_clock();
    wallclock_set(clock.seconds, clock.nanoseconds, Nanoseconds{0});
    builder::ControlDomainPlan const plan = make_plan(info, kernel.image);
    char const* why = "";
    auto const domain = builder::build_control_domain(plan, why);
    if (!domain)
    {
        log_error("the control domain cannot be built: {} (error {})", why, domain.error());
        panic("no control domain");
    }
    add_free_range(to_mfn(kernel.arena), to_mfn(kernel.arena + kernel.arena_bytes));
    release_module(module);
    give_devices(*domain.value());
    set_panic_hook(report_running_vcpu);
    sched_cpu_online(CpuId{this_cpu().id}); // before anything can be placed: the other CPUs come when they are idle
    log_info("{} MiB free for guests; starting the control domain", free_frames() >> 8);
    domain_unpause_by_controller(*domain.value()).value();
    cpu_idle_loop();
}

void machine_shutdown(std::uint32_t reason)
{
    log_info("the control domain ends the machine, reason {}", reason);
    if (reason != SHUTDOWN_reboot && reason != SHUTDOWN_poweroff && port::current() != nullptr)
        port::log_guest_state();
    if (reason == SHUTDOWN_crash)
        panic("the control domain crashed");
    if (reason == SHUTDOWN_poweroff)
    {
        switch_off(); // the control domain comes here without ACPI of its own, or when its attempt failed
        stop_other_cpus();
        log_info("the machine may be switched off");
        halt_forever();
    }
    reset_machine();
}

} // namespace hv
