// SPDX-License-Identifier: MIT
// Interrupt vectors: which numbers mean what, and who is called for the others.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <core/irq/device_machine.hpp>
#include <lib/result.hpp>

#include <cstdint>
#include <span>

namespace hv
{

namespace vector
{
inline constexpr std::uint8_t kPicFirst = 0x20; // the two 8259s are masked; only their spurious interrupts come here
inline constexpr std::uint8_t kPicLast = 0x2f;
inline constexpr std::uint8_t kDynamicFirst = 0x30;
inline constexpr std::uint8_t kDynamicLast = 0xef; // without 0x80 and 0x82, which guests use as software interrupts
inline constexpr std::uint8_t kTimer = 0xfa;
inline constexpr std::uint8_t kKick = 0xfb;
inline constexpr std::uint8_t kCall = 0xfc;
inline constexpr std::uint8_t kFlush = 0xfd;
inline constexpr std::uint8_t kError = 0xfe;
inline constexpr std::uint8_t kSpurious = 0xff;
} // namespace vector

// Runs on the CPU that took the interrupt, with interrupts off and no lock held. The local APIC is acknowledged after
// it returns, so the handler of a level-triggered line must mask the line or quiet its device first.
using InterruptHandler = void (*)(void* context, TrapFrame& frame);

// A free vector of `cpu`, delivered to `handler` from now on. NoSpc when the CPU has none left.
Result<std::uint8_t> allocate_vector(CpuId cpu, InterruptHandler handler, void* context);

// As many consecutive vectors as there are contexts (a power of two), the first one a multiple of that count.
Result<std::uint8_t> allocate_vector_block(CpuId cpu, InterruptHandler handler, std::span<Line*> contexts);

// The caller has made sure that nothing sends the vector any more. Waits until `cpu` is not inside the handler.
void release_vector(CpuId cpu, std::uint8_t vector);

// Address and data of an MSI that reaches `vector` on `cpu` (Intel SDM vol. 3, 10.11): fixed, physical, edge.
MsiMessage msi_message(CpuId cpu, std::uint8_t vector);

// Interrupts of `cpu` so far, all vectors.
std::uint64_t interrupt_count(CpuId cpu);

// Boot CPU, before `cpu` starts: the table of its handlers.
void create_vector_table(CpuId cpu);

} // namespace hv

// Every vector from 32 on comes here from the entry code, interrupts off.
extern "C" void handle_interrupt(hv::TrapFrame& frame);
