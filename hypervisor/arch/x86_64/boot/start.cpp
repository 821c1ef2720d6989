// SPDX-License-Identifier: MIT
// The order of boot, from the loader's hand-over to start_machine().
#include <arch/x86_64/acpi/tables.hpp>
#include <arch/x86_64/boot/boot_info.hpp>
#include <arch/x86_64/boot/memory_map.hpp>
#include <arch/x86_64/boot/options.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/boot/start.hpp>
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/descriptors.hpp>
#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/entry/smap.hpp>
#include <arch/x86_64/irq/device_machine.hpp>
#include <arch/x86_64/irq/io_apic.hpp>
#include <arch/x86_64/irq/local_apic.hpp>
#include <arch/x86_64/irq/pic.hpp>
#include <arch/x86_64/irq/vectors.hpp>
#include <arch/x86_64/panic/panic.hpp>
#include <arch/x86_64/serial/machine_console.hpp>
#include <arch/x86_64/smp/smp.hpp>
#include <arch/x86_64/time/clock.hpp>
#include <core/console/console.hpp>
#include <lib/log.hpp>

namespace hv
{
namespace
{

constexpr CpuId kBootCpu{0};

char const* memory_type_name(std::uint32_t type)
{
    switch (type)
    {
    case MemoryMapEntry::Ram: return "RAM";
    case MemoryMapEntry::Reserved: return "reserved";
    case MemoryMapEntry::AcpiReclaimable: return "ACPI tables";
    case MemoryMapEntry::AcpiNvs: return "ACPI non-volatile";
    case MemoryMapEntry::Unusable: return "unusable";
    default: return "other";
    }
}

void log_memory_map()
{
    for (MemoryMapEntry const& entry : boot_info().memory())
        log_info("  {x}..{x} {}", entry.start, entry.start + entry.length, memory_type_name(entry.type));
}

// Continues on `cpu`'s own stack; the boot stack is never used again.
[[noreturn]] void switch_stack(CpuId cpu, void (*next)())
{
    // Room for the guest frame, then aligned as the calling convention has it at a function's entry.
    std::uint64_t const top = (layout::cpu_region(cpu) + layout::kCpuStackTop - sizeof(TrapFrame)) & ~15ull;
    asm volatile("mov %0, %%rsp\n\t"
                 "xor %%ebp, %%ebp\n\t"
                 "push %%rbp\n\t"
                 "jmp *%1"
                 :
                 : "r"(top), "r"(next)
                 : "memory");
    __builtin_unreachable();
}

void log_cpu()
{
    CpuFeatures const& cpu = cpu_features();
    log_info("CPU: {} (family {}, model {}, stepping {})", cpu.brand, cpu.family, cpu.model, cpu.stepping);
    log_info("Uses{}{}{}{}{}{}{}", cpu.nx ? " NX" : "", cpu.smep && options().smep ? " SMEP" : "",
             cpu.smap && options().smap ? " SMAP" : "", cpu.global_pages ? " global-pages" : "",
             cpu.gigabyte_pages ? " 1GiB-pages" : "", cpu.xsave ? " XSAVE" : "",
             cpu.tsc_deadline ? " TSC-deadline" : "");
}

void start_devices()
{
    read_firmware_tables(boot_info(), options().acpi);
    silence_pic();
    map_local_apic();
    this_cpu().apic_id = local_apic_id();
    create_vector_table(kBootCpu);
    start_local_apic();
    start_io_apics();
    start_device_machine();
    start_clock();
    start_timer();
    FrequencyReport const& report = frequencies();
    log_info("TSC {} kHz ({}{}), timer {} kHz", report.tsc_hz / 1000, report.tsc_source,
             cpu_features().invariant_tsc ? ", invariant" : "", report.timer_hz / 1000);
    if (options().console_timestamps)
        console().hooks.time = port::now;
}

// On the boot CPU's own stack, final page tables loaded.
void continue_boot()
{
    setup_this_cpu(kBootCpu);
    if ((read_cr4() & cr4::kSmap) != 0)
        apply_smap_patches();
    remap_machine_console();
    log_options(boot_info().command_line);
    log_memory_map();
    log_cpu();
    start_devices();
    start_other_cpus();
    compare_tscs();
    start_console_input();
    log_info("Tessera on {} CPUs, {} MiB", cpu_count(), total_ram_bytes() >> 20);
    start_machine(boot_info());
    cpu_idle_loop();
}

} // namespace

extern "C" void boot_main(std::uint32_t magic, std::uint64_t information)
{
    BootInfo& info = boot_info();
    bool const known_loader = read_boot_information(info, magic, information);
    parse_options(options(), info.command_line);
    start_machine_console();
    if (!known_loader)
        panic("the boot loader speaks neither multiboot nor multiboot2");
    log_info("Tessera starts, loaded by {}", info.loader_name);
    detect_cpu_features();
    sanitise_memory_map(info, options().memory_limit);
    start_boot_memory(info);
    build_descriptor_tables();
    build_page_tables();
    create_cpu_region(kBootCpu, 0);
    switch_stack(kBootCpu, continue_boot);
}

} // namespace hv
