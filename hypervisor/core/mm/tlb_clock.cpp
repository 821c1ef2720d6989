// SPDX-License-Identifier: MIT
// The clock of full TLB flushes.
#include <core/mm/tlb_clock.hpp>

#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

std::uint64_t clock = 1;                 // never wraps; its low 16 bits are the stamp
std::uint64_t flush_time[kMaxCpus] = {}; // full clock value

} // namespace

std::uint64_t tlb_stamp_now()
{
    full_barrier();
    return (load_acquire(clock) & 0xffff) << kStampShift;
}

void note_full_flush(CpuId cpu)
{
    exchange(flush_time[cpu.raw()], fetch_add(clock, std::uint64_t{1}) + 1); // full barrier
}

void flush_if_stale(std::uint16_t stamp)
{
    std::uint64_t const now = load_acquire(clock);
    // The stamp as a full clock value: the latest one at or before now with these low bits; 0 before there was any.
    std::uint64_t stamped = (now & ~std::uint64_t{0xffff}) | stamp;
    if (stamped > now)
        stamped = stamped < 0x10000 ? 0 : stamped - 0x10000;
    CpuMask stale;
    for (std::uint32_t cpu = 0; cpu < port::online_cpus(); ++cpu)
        if (load_acquire(flush_time[cpu]) <= stamped)
            stale.set(CpuId{cpu});
    if (!stale.empty())
        port::flush_tlb(stale, port::Flush::All);
}

} // namespace hv
