// SPDX-License-Identifier: MIT
// The hypervisor's part of every address space (L4 slots 256..271), and the per-CPU region.
//
//   0xffff800000000000  slot 256  machine-to-phys table, user-readable, 2 MiB pages (ABI)
//   0xffff808000000000  slot 257  frame table (24 bytes per machine frame)
//   0xffff810000000000  slot 258  +0            our image, at image base + physical load address
//                                 +1 GiB        per-CPU regions, 64 KiB each
//                                 +2 GiB        device mappings (LAPIC, IO-APIC, HPET, ACPI tables, PCI MMCFG)
//   0xffff818000000000  slot 259  descriptor windows: 128 KiB per vCPU slot (GDT 16 pages, LDT 16 pages)
//   0xffff840000000000  slots 264..271  direct map of all machine memory, never executable, our text read-only in it
//
// All slots but 256 are the same page tables in every L4 of the machine, so they never need synchronising.
#pragma once

#include <lib/cpu_mask.hpp>
#include <lib/strong.hpp>

#include <cstdint>

namespace hv::layout
{

inline constexpr std::uint64_t kM2p = 0xffff800000000000;
inline constexpr std::uint64_t kM2pEnd = 0xffff804000000000; // 256 GiB: 2^35 entries (ABI)
inline constexpr std::uint64_t kFrameTable = 0xffff808000000000;
inline constexpr std::uint64_t kImage = 0xffff810000000000;
inline constexpr std::uint64_t kPerCpu = kImage + (1ull << 30);
inline constexpr std::uint64_t kDevices = kImage + (2ull << 30);
inline constexpr std::uint64_t kDevicesEnd = kImage + (3ull << 30);
inline constexpr std::uint64_t kWindows = 0xffff818000000000;
inline constexpr std::uint64_t kDirectMap = 0xffff840000000000;
inline constexpr std::uint64_t kDirectMapEnd = kHypervisorEnd;

inline constexpr unsigned kFirstSlot = 256;
inline constexpr unsigned kLastSlot = 271;

// One CPU's region, offsets in bytes. `this CPU's CpuLocal` = (stack pointer & ~(kCpuStride - 1)) + kCpuLocal.
inline constexpr std::uint64_t kCpuStride = 0x10000;
inline constexpr std::uint64_t kCpuDoubleFaultStackTop = 0x2000;  // page 1; page 0 is a hole
inline constexpr std::uint64_t kCpuNmiStackTop = 0x3000;          // page 2
inline constexpr std::uint64_t kCpuMachineCheckStackTop = 0x4000; // page 3
inline constexpr std::uint64_t kCpuDebugStackTop = 0x5000;        // page 4; page 5 is a hole
inline constexpr std::uint64_t kCpuStackBottom = 0x6000;          // pages 6..9
inline constexpr std::uint64_t kCpuStackTop = 0xa000;             // the guest frame ends here
inline constexpr std::uint64_t kCpuLocal = 0xa000;                // page 10: CpuLocal, then this CPU's TSS and boot GDT
inline constexpr std::uint64_t kCpuStub = 0xb000; // page 11: SYSCALL entry stub, read-only and executable

constexpr std::uint64_t cpu_region(CpuId cpu)
{
    return kPerCpu + cpu.raw() * kCpuStride;
}

// Descriptor window of a vCPU slot: guest GDT pages 0..13, page 14 our reserved selectors (shared by all), 16..31 LDT.
inline constexpr std::uint64_t kWindowStride = 0x20000;
inline constexpr std::uint64_t kWindowLdt = 0x10000;
inline constexpr unsigned kReservedGdtPage = 14;
inline constexpr unsigned kGuestGdtPages = 14;

constexpr std::uint64_t window(std::uint32_t slot)
{
    return kWindows + slot * kWindowStride;
}

// Selectors of the shared reserved GDT page (ABI: FLAT_RING3_*, public header arch-x86/xen-x86_64.h; ours follow them).
inline constexpr std::uint16_t kSelectorHypervisorCode = 0xe008; // DPL 0, 64-bit
inline constexpr std::uint16_t kSelectorHypervisorData = 0xe010; // DPL 0
inline constexpr std::uint16_t kSelectorGuestCode32 = 0xe023;
inline constexpr std::uint16_t kSelectorGuestData = 0xe02b;
inline constexpr std::uint16_t kSelectorGuestCode64 = 0xe033;
// 16-byte system descriptors, one TSS and one LDT slot per CPU.
inline constexpr std::uint16_t kSelectorTssFirst = 0xe100;
inline constexpr std::uint16_t kSelectorLdtFirst = 0xe600;

} // namespace hv::layout
