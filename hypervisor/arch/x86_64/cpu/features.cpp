// SPDX-License-Identifier: MIT
// Reads CPUID into CpuFeatures (Intel SDM vol. 2 CPUID; AMD APM vol. 3 appendix E).
#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/instructions.hpp>

#include <initializer_list>

namespace hv
{
namespace
{

[[gnu::section(".sealed")]] CpuFeatures features = {};

constexpr bool bit(std::uint32_t value, unsigned position)
{
    return ((value >> position) & 1) != 0;
}

void read_vendor()
{
    CpuidRegisters const leaf = cpuid(0);
    features.max_leaf = leaf.eax;
    features.max_extended_leaf = cpuid(0x80000000).eax;
    if (leaf.ebx == 0x756e6547 && leaf.edx == 0x49656e69 && leaf.ecx == 0x6c65746e) // GenuineIntel
        features.vendor = CpuVendor::Intel;
    // AuthenticAMD, or HygonGenuine: AMD's design under another name
    bool const amd = leaf.ebx == 0x68747541 && leaf.edx == 0x69746e65 && leaf.ecx == 0x444d4163;
    bool const hygon = leaf.ebx == 0x6f677948 && leaf.edx == 0x6e65476e && leaf.ecx == 0x656e6975;
    if (amd || hygon)
        features.vendor = CpuVendor::Amd;
}

void read_signature(std::uint32_t signature)
{
    features.stepping = signature & 0xf;
    features.model = (signature >> 4) & 0xf;
    features.family = (signature >> 8) & 0xf;
    if (features.family == 6 || features.family == 15)
        features.model |= (signature >> 12) & 0xf0;
    if (features.family == 15)
        features.family += (signature >> 20) & 0xff;
}

void read_basic()
{
    CpuidRegisters const one = cpuid(1);
    read_signature(one.eax);
    features.monitor = bit(one.ecx, 3);
    features.pcid = bit(one.ecx, 17);
    features.x2apic = bit(one.ecx, 21);
    features.tsc_deadline = bit(one.ecx, 24);
    features.xsave = bit(one.ecx, 26);
    features.hypervisor = bit(one.ecx, 31);
    features.mtrr = bit(one.edx, 12);
    features.global_pages = bit(one.edx, 13);
    if (features.max_leaf >= 7)
    {
        CpuidRegisters const seven = cpuid(7);
        features.fsgsbase = bit(seven.ebx, 0);
        features.smep = bit(seven.ebx, 7);
        features.invpcid = bit(seven.ebx, 10);
        features.smap = bit(seven.ebx, 20);
        features.umip = bit(seven.ecx, 2);
    }
    features.xsave_size = 512;
    if (features.xsave && features.max_leaf >= 0xd)
    {
        CpuidRegisters const thirteen = cpuid(0xd);
        features.xcr0_supported = (std::uint64_t{thirteen.edx} << 32) | thirteen.eax;
        features.xsave_size = thirteen.ecx;
    }
}

void read_extended()
{
    features.physical_bits = 36;
    if (features.max_extended_leaf >= 0x80000001)
    {
        std::uint32_t const edx = cpuid(0x80000001).edx;
        features.nx = bit(edx, 20);
        features.gigabyte_pages = bit(edx, 26);
        features.rdtscp = bit(edx, 27);
    }
    if (features.max_extended_leaf >= 0x80000007)
        features.invariant_tsc = bit(cpuid(0x80000007).edx, 8);
    features.fpu_pointers_linger = features.vendor == CpuVendor::Amd;
    if (features.max_extended_leaf >= 0x80000008)
    {
        CpuidRegisters const eight = cpuid(0x80000008);
        features.physical_bits = static_cast<std::uint8_t>(eight.eax & 0xff);
        features.fpu_pointers_linger = features.fpu_pointers_linger && !bit(eight.ebx, 2);
    }
}

void read_brand()
{
    if (features.max_extended_leaf < 0x80000004)
        return;
    char* out = features.brand;
    for (std::uint32_t leaf = 0x80000002; leaf <= 0x80000004; ++leaf)
    {
        CpuidRegisters const part = cpuid(leaf);
        for (std::uint32_t const word : {part.eax, part.ebx, part.ecx, part.edx})
            for (unsigned shift = 0; shift < 32; shift += 8)
                *out++ = static_cast<char>(word >> shift);
    }
    *out = '\0';
}

} // namespace

void detect_cpu_features()
{
    read_vendor();
    read_basic();
    read_extended();
    read_brand();
}

CpuFeatures const& cpu_features()
{
    return features;
}

} // namespace hv
