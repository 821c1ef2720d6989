// SPDX-License-Identifier: MIT
// Control registers, model-specific registers and the memory of one CPU.
#include <arch/x86_64/boot/direct_map.hpp>
#include <arch/x86_64/boot/memory_map.hpp>
#include <arch/x86_64/boot/options.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/descriptors.hpp>
#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/entry/entry.hpp>

#include <initializer_list>

namespace hv
{
namespace
{

constexpr std::uint64_t kEferSyscall = 1ull << 0;
constexpr std::uint64_t kEferNoExecute = 1ull << 11;
// Flags cleared on SYSCALL: TF, IF, DF, IOPL, NT, RF, AC.
constexpr std::uint64_t kSyscallClears = 0x57700;
constexpr std::uint64_t kXcr0X87 = 1;

void setup_control_registers()
{
    constexpr std::uint64_t kCr0 = 0x80010033; // PG, WP, NE, ET, MP, PE; caching on
    write_cr0(kCr0);
    write_cr4(base_cr4());
    if (cpu_features().xsave)
        write_xcr0(cpu_features().xcr0_supported | kXcr0X87);
}

void setup_syscall(CpuId cpu)
{
    std::uint64_t const stub = layout::cpu_region(cpu) + layout::kCpuStub;
    // SYSRET takes CS from this base + 16 and SS from it + 8.
    write_msr(msr::kStar, (std::uint64_t{layout::kSelectorGuestCode32} << 48) |
                              (std::uint64_t{layout::kSelectorHypervisorCode} << 32));
    write_msr(msr::kLstar, stub);
    write_msr(msr::kCstar, stub + kStubCompatOffset);
    write_msr(msr::kSyscallMask, kSyscallClears);
    // SYSENTER takes SS from the descriptor behind that of CS. In 64-bit mode AMD's CPUs raise #UD for it.
    static_assert(layout::kSelectorHypervisorData == layout::kSelectorHypervisorCode + 8);
    write_msr(msr::kSysenterCs, layout::kSelectorHypervisorCode);
    write_msr(msr::kSysenterEsp, layout::cpu_region(cpu) + layout::kCpuStackTop);
    write_msr(msr::kSysenterEip, reinterpret_cast<std::uint64_t>(&entry_sysenter));
}

} // namespace

std::uint64_t base_cr4()
{
    CpuFeatures const& have = cpu_features();
    std::uint64_t value = cr4::kDe | cr4::kPae | cr4::kMce | cr4::kOsfxsr | cr4::kOsxmmexcpt;
    value |= have.global_pages ? cr4::kPge : 0;
    value |= have.xsave ? cr4::kOsxsave : 0;
    value |= have.smep && options().smep ? cr4::kSmep : 0;
    value |= have.smap && options().smap ? cr4::kSmap : 0;
    return value;
}

void create_cpu_region(CpuId cpu, std::uint32_t apic_id)
{
    std::uint64_t const region = layout::cpu_region(cpu);
    auto map = [&](std::uint64_t from, std::uint64_t to) {
        map_pages(region + from, boot_allocate(to - from), to - from, Protection::ReadWrite);
    };
    map(kPageSize, layout::kCpuDebugStackTop);
    map(layout::kCpuStackBottom, layout::kCpuStub);
    MachineAddress const stub = boot_allocate(kPageSize);
    install_syscall_stub(cpu, direct_map(stub));
    map_pages(region + layout::kCpuStub, stub, kPageSize, Protection::Execute);

    CpuLocal& local = cpu_local(cpu);
    local.self = &local;
    local.id = cpu.raw();
    local.apic_id = apic_id;
    local.idle_root = local.loaded_root = idle_root();
}

void setup_this_cpu(CpuId cpu)
{
    write_msr(msr::kEfer, read_msr(msr::kEfer) | kEferSyscall | (cpu_features().nx ? kEferNoExecute : 0));
    write_msr(msr::kPat, kPatValue);
    setup_control_registers();
    load_descriptor_tables(cpu);
    setup_syscall(cpu);
    for (std::uint32_t const base : {msr::kFsBase, msr::kGsBase, msr::kKernelGsBase})
        write_msr(base, 0);
}

CpuLocal& cpu_local(CpuId cpu)
{
    return *reinterpret_cast<CpuLocal*>(layout::cpu_region(cpu) + layout::kCpuLocal);
}

} // namespace hv
