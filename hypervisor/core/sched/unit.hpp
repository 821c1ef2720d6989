// SPDX-License-Identifier: MIT
// The scheduler's part of a vCPU.
//
// Life of a unit: it is stopped (a reason in `stop`, or its domain is paused), queued (on the heap of `cpu`), parked
// (its domain's cap is used up; on the domain's list), or running (picked by `cpu`, until its context is saved there).
// A running unit is never queued, so nobody can pick it before its context is complete.
#pragma once

#include <core/time/leftist_heap.hpp>
#include <lib/cpu_mask.hpp>
#include <lib/list.hpp>
#include <lib/strong.hpp>

#include <cstdint>

namespace hv
{

class Vcpu;
struct DomainShare;
namespace run_queue
{
struct RunQueue;
}

// Reasons of its own why a vCPU does not run, bits of SchedUnit::stop.
namespace stop
{
inline constexpr std::uint32_t kBlocked = 1u << 0; // SCHEDOP_block or poll; ended by vcpu_wake()
inline constexpr std::uint32_t kDown = 1u << 1;    // not brought up (VCPUOP_up), or taken down
inline constexpr std::uint32_t kPause = 1u << 8;   // one vcpu_pause(); the bits from here up are a count
} // namespace stop

struct SchedUnit : HeapNode<SchedUnit>
{
    Vcpu* vcpu = nullptr;
    DomainShare* share = nullptr;         // of its domain
    std::uint32_t stop = stop::kDown;     // atomic; reasons and pause count
    CpuId cpu{};                          // whose queue it belongs to; changes under that queue's lock
    run_queue::RunQueue* queue = nullptr; // that queue
    bool running = false;                 // picked, and its context is not yet saved; atomic
    bool queued = false;                  // under the queue's lock
    bool parked = false;                  // under the queue's lock
    bool yielded = false;                 // gave way; the next choice prefers others; its own CPU only
    std::int64_t virtual_time = 0; // service received, in nanoseconds at the default weight, by its queue's reckoning
    Nanoseconds charged_until{};   // up to where the present run is accounted
    CpuMask hard = CpuMask::all(); // may run on these only
    CpuMask soft = CpuMask::all(); // runs on these when it can
    std::int32_t pinned = -1;      // SCHEDOP_pin_override, -1 = none
    ListLink park_link;
    std::uint64_t schedules = 0; // times it was switched to
};

} // namespace hv
