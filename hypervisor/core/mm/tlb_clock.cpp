// SPDX-License-Identifier: MIT
// The clock of full TLB flushes.
#include <core/mm/tlb_clock.hpp>

#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

std::uint32_t clock = 1;                 // low 16 bits are the stamp; 0 is never used
std::uint32_t flush_time[kMaxCpus] = {}; // full clock value

} // namespace

std::uint64_t tlb_stamp_now()
{
    full_barrier();
    return static_cast<std::uint64_t>(load_acquire(clock) & 0xffff) << kStampShift;
}

void note_full_flush(CpuId cpu)
{
    store_relaxed(flush_time[cpu.raw()], fetch_add(clock, 1u) + 1);
    full_barrier();
}

void flush_if_stale(std::uint16_t stamp)
{
    std::uint32_t const now = load_acquire(clock);
    // The stamp as a full clock value: the latest one at or before now with these low bits.
    std::uint32_t stamped = (now & ~0xffffu) | stamp;
    if (stamped > now)
        stamped -= 0x10000;
    CpuMask stale;
    for (std::uint32_t cpu = 0; cpu < port::online_cpus(); ++cpu)
        if (static_cast<std::int32_t>(load_acquire(flush_time[cpu]) - stamped) <= 0)
            stale.set(CpuId{cpu});
    if (!stale.empty())
        port::flush_tlb(stale, port::Flush::All);
}

} // namespace hv
