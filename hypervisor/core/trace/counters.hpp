// SPDX-License-Identifier: MIT
// What is counted per vCPU: every hypercall row, and every other cause of entry. Names come from the table.
#pragma once

#include <cstdint>

namespace hv
{

enum class Counter : std::uint16_t
{
#define HV_HYPERCALL(number, name, function, doc) Call_##name,
#include <hypercalls/table/hypercalls.def>
#undef HV_HYPERCALL
#define HV_SUBOP(group, number, name, function, direction, privilege, preempt, errors, doc) Op_##group##_##name,
#include <hypercalls/table/all.def>
#undef HV_SUBOP
#define HV_EVENT(name, doc) name,
#include <core/trace/events.def>
#undef HV_EVENT
    Count,
};

inline constexpr unsigned kCounters = static_cast<unsigned>(Counter::Count);

// Stable text names, indexed by Counter: "hypercall.mmu_update", "event_channel_op.send", "emulated.rdmsr".
extern char const* const kCounterNames[kCounters];

} // namespace hv
