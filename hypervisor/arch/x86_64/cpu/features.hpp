// SPDX-License-Identifier: MIT
// What this machine's CPUs can do, asked once on the boot CPU.
#pragma once

#include <cstdint>

namespace hv
{

enum class CpuVendor : std::uint8_t
{
    Other,
    Intel,
    Amd,
};

struct CpuFeatures
{
    CpuVendor vendor;
    std::uint8_t physical_bits; // MAXPHYADDR
    bool nx;
    bool gigabyte_pages;
    bool global_pages;
    bool smep;
    bool smap;
    bool fsgsbase;
    bool umip;
    bool pcid;
    bool invpcid;
    bool xsave;
    bool mtrr;
    bool x2apic;
    bool tsc_deadline;
    bool invariant_tsc;
    bool rdtscp;
    bool monitor;
    bool hypervisor;          // we run inside a virtual machine
    bool fpu_pointers_linger; // FXRSTOR and XRSTOR leave the x87 error pointers as they are (see pv/fpu.cpp)
    std::uint32_t family, model, stepping;
    std::uint32_t max_leaf, max_extended_leaf;
    std::uint64_t xcr0_supported; // 0 without XSAVE
    std::uint32_t xsave_size;     // bytes of an area for all of xcr0_supported, 512 without XSAVE
    char brand[49];
};

void detect_cpu_features(); // boot CPU, before anything reads cpu_features()
CpuFeatures const& cpu_features();

} // namespace hv
