// SPDX-License-Identifier: MIT
// The record of one event channel.
#pragma once

#include <lib/spinlock.hpp>
#include <lib/strong.hpp>

#include <cstdint>

namespace hv
{

class EventChannels;

enum class ChannelState : std::uint8_t // values of EVTCHNOP_status
{
    Closed = 0,
    Unbound = 1,
    Interdomain = 2,
    Pirq = 3,
    Virq = 4,
    Ipi = 5,
};

struct Channel
{
    SpinLock lock{LockRank::EventChannel};
    ChannelState state = ChannelState::Closed;
    std::uint8_t priority = 7;      // FIFO, 0 highest
    std::uint8_t last_priority = 7; // FIFO: the queue it was last put on, since it may still be that queue's tail
    bool latched = false;           // FIFO: became pending before its word existed
    std::uint16_t vcpu = 0;         // who is notified
    std::uint16_t last_vcpu = 0;    // FIFO, as last_priority
    EventChannels* peer = nullptr;  // Interdomain; both ends are closed before either domain is freed
    std::uint32_t number = 0;       // Interdomain: the peer's port; Virq, Pirq: its number; Closed: next free port
    DomainId remote{};              // Unbound: who may bind; Interdomain: the peer's id
};
static_assert(sizeof(Channel) == 32);

inline constexpr std::uint32_t kChannelsPerPage = kPageSize / sizeof(Channel);
inline constexpr std::uint32_t kMaxTwoLevelPorts = 4096;
inline constexpr std::uint32_t kMaxFifoPorts = 1u << 17;

} // namespace hv
