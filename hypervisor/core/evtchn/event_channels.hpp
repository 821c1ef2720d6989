// SPDX-License-Identifier: MIT
// A domain's event channels: ports, what they are bound to, and how an event reaches a vCPU (2-level or FIFO).
//
// Locks, outermost first:
//   1. `lock` of a domain's EventChannels: allocation, binding and closing. Two domains: in address order (PairGuard).
//   2. `Channel::lock`: what the port is bound to. Binding and closing change it under 1 of both ends and 2 of each end
//      in turn; sending holds 2 of the sending end alone, which keeps the receiving end bound.
//   3. FIFO queue locks, two at most, in address order.
//   4. the scheduler's and timers' locks (by vcpu_kick).
//
// Memory orders. 2-level: pending bit, then selector bit, then evtchn_upcall_pending, each by a locked operation, so a
// guest that clears the upcall and then scans sees every event. Wake-ups: the sender sets the event and then looks at the
// blocked state or the poll mask; the sleeper announces that state and then looks at the events; both sides use locked
// operations between their two steps, so one of them sees the other.
#pragma once

#include <core/domain/domain.hpp>
#include <core/evtchn/channel.hpp>
#include <core/evtchn/fifo.hpp>
#include <lib/result.hpp>
#include <lib/spinlock.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace hv
{

// What the pirq engineer's module supplies; all nullptr: EVTCHNOP_bind_pirq gives Inval.
struct PirqHooks
{
    // Routes the interrupt to (domain, port). Called with the domain's event lock held.
    Result<void> (*bind)(Domain& domain, std::uint32_t pirq, EvtchnPort port, bool will_share) = nullptr;
    // The port was closed. Called with the domain's event lock held.
    void (*unbind)(Domain& domain, std::uint32_t pirq, EvtchnPort port) = nullptr;
    // The port's event now goes to this vCPU. May be nullptr.
    void (*moved)(Domain& domain, std::uint32_t pirq, Vcpu& vcpu) = nullptr;
};
void set_pirq_hooks(PirqHooks const& hooks);

class EventChannels
{
public:
    explicit EventChannels(Domain& domain, std::uint32_t port_limit);
    EventChannels(EventChannels const&) = delete;
    EventChannels& operator=(EventChannels const&) = delete;

    // ---- binding. Errors: NoSpc no port left, NoMem, Inval the domain is ending, and what each call states.
    Result<EvtchnPort> alloc_unbound(DomainId remote);
    // This domain is the local end; `remote` is kept alive by the caller.
    Result<EvtchnPort> bind_interdomain(Domain& remote, EvtchnPort remote_port) HV_NO_THREAD_SAFETY;
    Result<EvtchnPort> bind_virq(std::uint32_t virq, std::uint32_t vcpu);
    Result<EvtchnPort> bind_ipi(std::uint32_t vcpu);
    Result<EvtchnPort> bind_pirq(std::uint32_t pirq, bool will_share);
    Result<void> close(EvtchnPort port) HV_NO_THREAD_SAFETY;
    Result<void> bind_vcpu(EvtchnPort port, std::uint32_t vcpu);
    Result<void> status(EvtchnPort port, abi::evtchn_status& out);
    // Closes everything and leaves FIFO mode. Restart when `budget` ran out: call again.
    Result<void> reset(std::int32_t& budget);

    // ---- events
    Result<void> send(EvtchnPort port) HV_NO_THREAD_SAFETY;
    Result<void> unmask(EvtchnPort port);
    void raise_virq(Vcpu& vcpu, std::uint32_t virq); // nothing when it is not bound
    void raise_pirq(EvtchnPort port);                // nothing when the port is not a pirq's
    // Valid for SCHEDOP_poll: a port in use.
    bool usable(EvtchnPort port) const;
    bool pending(EvtchnPort port); // of one that is or was in use

    // ---- FIFO
    Result<void> fifo_init_control(std::uint32_t vcpu, GuestFrame frame, std::uint32_t offset);
    Result<void> fifo_expand_array(GuestFrame frame);
    Result<void> fifo_set_priority(EvtchnPort port, std::uint32_t priority);

    // ---- SCHEDOP_poll: v announces itself before it tests its ports, and is taken back when it does not sleep.
    void poll_begin(Vcpu& vcpu);
    void poll_end(Vcpu& vcpu);

    [[nodiscard]] std::uint32_t active_ports() const { return active_; } // for reports, racy
    [[nodiscard]] std::uint32_t port_limit() const { return limit_; }
    [[nodiscard]] FifoState const* fifo() const { return load_acquire(fifo_); } // for recounts: nobody changes it

private:
    friend Result<void> events_create(Domain& domain, std::uint32_t max_port);
    friend void events_destroy(Domain& domain);
    friend bool events_relinquish(Domain& domain, std::int32_t& budget);

    [[nodiscard]] Channel* channel(EvtchnPort port) const; // nullptr when never allocated
    // The same for a port that is known to have a record.
    [[nodiscard]] Channel* record(EvtchnPort port) const
    {
        return pages_[port.raw() / kChannelsPerPage] + port.raw() % kChannelsPerPage;
    }
    Result<EvtchnPort> take_port() HV_REQUIRES(lock_); // state still Closed
    Result<EvtchnPort> take_fresh_port() HV_REQUIRES(lock_);
    Result<EvtchnPort> take_closed_port() HV_REQUIRES(lock_);
    void give_port(EvtchnPort port) HV_REQUIRES(lock_);
    bool grow() HV_REQUIRES(lock_);
    [[nodiscard]] std::uint32_t usable_limit() const; // of the present mode
    EventChannels* lock_with_peer(EvtchnPort port) HV_NO_THREAD_SAFETY;
    void close_locked(EvtchnPort port, Channel& channel) HV_REQUIRES(lock_);
    void set_channel(Channel& channel, ChannelState state, std::uint32_t number, std::uint32_t vcpu);
    bool close_some(std::int32_t& budget);

    // Delivery to this domain. The end's binding is held stable by the caller (its own or the peer's Channel::lock).
    void deliver(EvtchnPort port);
    void deliver_fifo(FifoState& fifo, EvtchnPort port);
    bool begin_two_level(EvtchnPort port, Vcpu*& marked);
    void finish_two_level(EvtchnPort port, Vcpu* marked);
    void deliver_and_unlock(EvtchnPort port, SpinLock& held) HV_NO_THREAD_SAFETY;
    void finish_and_unlock(EvtchnPort port, Vcpu* marked, SpinLock& held) HV_NO_THREAD_SAFETY;
    Result<void> send_alone(EvtchnPort port, Channel& near) HV_NO_THREAD_SAFETY;
    bool mark_vcpu(abi::shared_info const& shared, EvtchnPort port, Vcpu*& vcpu);
    void unmask_two_level(EvtchnPort port, Channel& channel);
    void clear_pending(EvtchnPort port);
    [[nodiscard]] bool anybody_polls() const { return (load_relaxed(polling_[0]) | load_relaxed(polling_[1])) != 0; }
    void wake_pollers(EvtchnPort port); // the event is already visible as pending, by a locked operation
    void wake_pollers_inline(EvtchnPort port);
    void wake_pollers_in(std::uint32_t word, EvtchnPort port);
    void wake_high_pollers(EvtchnPort port);
    void leave_fifo() HV_REQUIRES(lock_);
    void adopt_two_level_state(FifoState& fifo) HV_REQUIRES(lock_);
    void adopt_page(FifoState& fifo, std::uint32_t page) HV_REQUIRES(lock_);

    SpinLock lock_{LockRank::EventPorts};
    Domain& domain_;
    std::uint32_t const limit_;    // ports are below this
    std::uint32_t allocated_ = 0;  // ports whose records exist; grows by pages, published with release
    std::uint32_t next_fresh_ = 1; // lowest port never used; port 0 is reserved
    std::uint32_t active_ = 0;
    std::uint32_t free_first_ = 0; // queue of closed ports through Channel::number, 0 = none
    std::uint32_t free_last_ = 0;
    std::uint32_t free_count_ = 0;
    std::uint32_t close_next_ = 1; // where a preempted reset or teardown resumes
    bool ended_ = false;           // the domain is dying: nothing can be bound any more
    Channel** pages_ = nullptr;    // one pointer per kChannelsPerPage ports
    FifoState* fifo_ = nullptr;    // published with release; nullptr = 2-level
    std::array<std::uint64_t, kMaxVcpus / 64> polling_{};
};

// ---- life
Result<void> events_create(Domain& domain, std::uint32_t max_port); // highest usable port; capped by the ABI
// Closes ports until `budget` is used up; true when none is left.
[[nodiscard]] bool events_relinquish(Domain& domain, std::int32_t& budget);
void events_destroy(Domain& domain); // frees; everything is closed

// ---- for everybody
void send_virq(Vcpu& vcpu, std::uint32_t virq); // per-vCPU VIRQs
void send_global_virq(Domain& domain,
                      std::uint32_t virq);  // VIRQ_CONSOLE, DOM_EXC, CON_RING, ...: to that domain's binder
void raise_global_virq(std::uint32_t virq); // to the domain that handles it: the control domain unless redirected
Result<void> set_virq_handler(std::uint32_t virq, Domain& domain); // XEN_DOMCTL_set_virq_handler
void forget_virq_handler(Domain const& domain);                    // it dies: its VIRQs go to the control domain again
void send_pirq(Domain& domain, EvtchnPort port);

// An upcall would be delivered now.
inline bool event_pending(Vcpu const& vcpu)
{
    return load_relaxed(vcpu.info->evtchn_upcall_pending) != 0 && load_relaxed(vcpu.info->evtchn_upcall_mask) == 0;
}
// Sets evtchn_upcall_pending and kicks the vCPU when it was clear.
void mark_event_pending(Vcpu& vcpu);

// SCHEDOP_poll for the current vCPU: blocks until one of the ports is pending, an upcall is deliverable, or the system time
// `timeout` (0 = never) has come. Inval for a port that is not in use. Returns at once in every case: the vCPU sleeps
// when it leaves the hypervisor.
Result<void> vcpu_poll(Vcpu& vcpu, std::span<std::uint32_t const> ports, std::uint64_t timeout);

// ---- vcpu_info
// Where vcpu_info lives before registration: shared_info for ids below 32, a private page for others. NoMem.
Result<void> vcpu_info_create(Vcpu& vcpu);
void vcpu_info_destroy(Vcpu& vcpu); // drops the frame's references
// VCPUOP_register_vcpu_info; the vCPU is current or cannot run. Inval the second time or for a bad frame, NxIo for a bad
// offset. Contents are copied, then everything is marked pending so that no event is lost in between.
Result<void> register_vcpu_info(Vcpu& vcpu, GuestFrame frame, std::uint32_t offset);

} // namespace hv
