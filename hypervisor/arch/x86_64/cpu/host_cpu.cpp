// SPDX-License-Identifier: MIT
// Reading this CPU's identity for policies. The instruction is spelled out: instructions.hpp has a CpuidLeaf of its own.
#include <arch/x86_64/cpu/host_cpu.hpp>

#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/entry/fixup.hpp>

namespace hv
{

CpuidLeaf MachineCpu::cpuid(std::uint32_t leaf, std::uint32_t subleaf)
{
    CpuidLeaf result;
    asm volatile("cpuid" : "=a"(result.a), "=b"(result.b), "=c"(result.c), "=d"(result.d) : "a"(leaf), "c"(subleaf));
    return result;
}

std::uint64_t MachineCpu::xcr0_mask()
{
    return cpu_features().xcr0_supported;
}

std::uint64_t MachineCpu::arch_capabilities()
{
    constexpr std::uint32_t kArchCapabilities = 0x10a;
    std::uint64_t value = 0;
    return read_msr_guarded(kArchCapabilities, value) ? value : 0;
}

} // namespace hv
