// SPDX-License-Identifier: MIT
// One source of hardware interrupts, and the domains that listen to it.
//
// Invariants:
//   1. A line is unmasked in hardware exactly when at least one of its users is bound to a port and none of them owes
//      an end of interrupt. update_mask() alone changes it; line_interrupt() is the only other place that masks.
//   2. Level lines: the interrupt masks the line before the local APIC is acknowledged, so no priority is held back and
//      nobody can be interrupted twice for one assertion. Each bound user then owes one end of interrupt
//      (Pirq::awaiting); the last one unmasks. Users that do not pay within kEndOfInterruptLimit are let off by the
//      timer, so a stopped domain cannot keep the line dead for the others, nor for itself.
//   3. Edge lines and messages: acknowledged at once, never masked while bound, nobody owes anything.
//   4. A user is on its line's list from mapping to unmapping, with its domain alive: the list is changed under `lock`,
//      and delivery happens under it, so nothing is delivered to a domain after its last unmapping returned.
//
// Locks, outermost first: a domain's event lock, its PirqTable's, Line::lock, then channel, scheduler, timer and
// controller locks.
#pragma once

#include <core/irq/device_machine.hpp>
#include <core/time/timer.hpp>
#include <lib/spinlock.hpp>

#include <cstdint>

namespace hv
{

class Domain;

inline constexpr std::uint64_t kEndOfInterruptLimit = 10'000'000; // ns

// One mapping of a line into a domain. Guarded by its line's lock, except `number`, `domain`, `line` and the group, which
// are fixed, and the ends of its life, which the owning table orders.
struct Pirq
{
    Pirq(Domain& domain_, std::uint32_t number_, Line* line_) : domain(domain_), number(number_), line(line_) {}

    Domain& domain;
    std::uint32_t const number;
    Line* const line;        // nullptr: the number is only set aside (PHYSDEVOP_get_free_pirq)
    std::uint32_t group = 1; // messages mapped in one go: their count in the first one, 0 in the others
    EvtchnPort port{0};      // 0: not bound
    bool will_share = false;
    bool awaiting = false; // owes an end of interrupt
    Pirq* next = nullptr;  // on the line
};

// Where a message comes from (core/irq/msi.hpp).
struct MsiSource
{
    PciFunction function{};
    std::uint8_t capability = 0;             // offset of the capability in configuration space
    bool wide = false;                       // MSI with a 64-bit address
    bool maskable = false;                   // MSI with mask bits
    std::uint8_t index = 0;                  // MSI: message number within the function
    std::uint32_t volatile* entry = nullptr; // MSI-X: its table entry; nullptr means MSI
    MsiMessage message{};
};

struct Line
{
    enum class Kind : std::uint8_t
    {
        Gsi,
        Message,
    };
    explicit Line(Irq gsi_, LineMode mode_); // a controller's line
    explicit Line(MsiSource const& source_); // a message

    SpinLock lock{LockRank::InterruptLine};
    Kind const kind;
    LineMode mode{Trigger::Edge, Polarity::High};
    Irq const gsi{};
    MsiSource source{};
    CpuId cpu{}; // where the machine delivers it
    std::uint8_t vector = 0;
    bool connected = false;
    bool unmasked = false;
    std::uint32_t owed = 0;  // users that are awaiting
    std::uint64_t count = 0; // interrupts so far
    Nanoseconds limit{};     // when they are let off
    Pirq* users = nullptr;
    Timer timer;
};

// The machine's handlers call this, on any CPU, with interrupts off and no lock held.
void line_interrupt(Line& line);

void line_add_user(Line& line, Pirq& user);
void line_remove_user(Line& line, Pirq& user);
[[nodiscard]] bool line_has_users(Line& line);
[[nodiscard]] bool line_is_shared(Line& line); // by more than one mapping

// Exist: already bound. Busy: somebody does not want to share, or the line is the hypervisor's own.
Result<void> line_bind(Pirq& user, EvtchnPort port, bool will_share);
void line_unbind(Pirq& user); // harmless when it is not bound
// The user's end of interrupt; returns its port, 0 when it is not bound.
EvtchnPort line_end_of_interrupt(Pirq& user);

// Busy when it is in use in another mode.
Result<void> line_set_mode(Line& line, LineMode mode);

} // namespace hv
