// SPDX-License-Identifier: MIT
// Brings one CPU into the state the hypervisor runs in.
#pragma once

#include <lib/strong.hpp>

#include <cstdint>

namespace hv
{

// Value of IA32_PAT on every CPU; guests are shown the same (ABI).
inline constexpr std::uint64_t kPatValue = 0x0000050100070406;

namespace msr
{
inline constexpr std::uint32_t kApicBase = 0x1b;
inline constexpr std::uint32_t kSysenterCs = 0x174;
inline constexpr std::uint32_t kSysenterEsp = 0x175;
inline constexpr std::uint32_t kSysenterEip = 0x176;
inline constexpr std::uint32_t kMtrrDefaultType = 0x2ff;
inline constexpr std::uint32_t kPat = 0x277;
inline constexpr std::uint32_t kTscDeadline = 0x6e0;
inline constexpr std::uint32_t kEfer = 0xc0000080;
inline constexpr std::uint32_t kStar = 0xc0000081;
inline constexpr std::uint32_t kLstar = 0xc0000082;
inline constexpr std::uint32_t kCstar = 0xc0000083;
inline constexpr std::uint32_t kSyscallMask = 0xc0000084;
inline constexpr std::uint32_t kFsBase = 0xc0000100;
inline constexpr std::uint32_t kGsBase = 0xc0000101;
inline constexpr std::uint32_t kKernelGsBase = 0xc0000102;
} // namespace msr

namespace cr4
{
inline constexpr std::uint64_t kTsd = 1ull << 2;
inline constexpr std::uint64_t kDe = 1ull << 3;
inline constexpr std::uint64_t kPae = 1ull << 5;
inline constexpr std::uint64_t kMce = 1ull << 6;
inline constexpr std::uint64_t kPge = 1ull << 7;
inline constexpr std::uint64_t kOsfxsr = 1ull << 9;
inline constexpr std::uint64_t kOsxmmexcpt = 1ull << 10;
inline constexpr std::uint64_t kUmip = 1ull << 11;
inline constexpr std::uint64_t kFsgsbase = 1ull << 16;
inline constexpr std::uint64_t kOsxsave = 1ull << 18;
inline constexpr std::uint64_t kSmep = 1ull << 20;
inline constexpr std::uint64_t kSmap = 1ull << 21;
} // namespace cr4

// Allocates and maps the region of `cpu` (stacks, CpuLocal, SYSCALL stub) and fills its CpuLocal. Boot CPU only.
void create_cpu_region(CpuId cpu, std::uint32_t apic_id);

// On the CPU itself, on its own stack, final page tables loaded: control registers, MSRs, descriptor tables.
void setup_this_cpu(CpuId cpu);

// The CR4 that CPUs run with outside guests.
std::uint64_t base_cr4();

// Supplied by the entry code: fills the SYSCALL stub of `cpu`, seen here through a writable mapping of its page.
void install_syscall_stub(CpuId cpu, void* writable_page);

} // namespace hv
