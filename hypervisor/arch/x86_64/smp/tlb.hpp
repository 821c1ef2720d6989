// SPDX-License-Identifier: MIT
// TLB shootdown between CPUs that all run with interrupts off.
//
// One request is under way at a time. Its initiator holds the lock, writes what to flush, publishes the set of CPUs
// that owe an answer, sends them an interrupt and waits until the set is empty. A CPU answers from the interrupt (in a
// guest or idle) or from spin_wait() (waiting inside the hypervisor), whichever comes first; the other finds nothing.
//
// Ordering: the caller's page-table stores precede the publication of the set (a locked operation), the target reads
// the set before it flushes, so a walk after its flush sees the new entries. The target flushes before it leaves the
// set (locked again), so when the initiator sees the set empty, no CPU in it can use the old translation.
#pragma once

#include <arch/x86_64/cpu/cpu_local.hpp>
#include <lib/cpu_mask.hpp>

namespace hv
{

// Answers a request that waits for this CPU, if there is one. Takes no lock.
void serve_flush();

// Drops every translation of this CPU, global ones and paging-structure caches too, and notes it on the TLB clock.
void flush_everything();
// The same for whoever has other bits for CR4, which the flush writes anyway.
void flush_everything(CpuLocal& cpu, std::uint64_t cr4);

} // namespace hv
