// SPDX-License-Identifier: MIT
// Ports: giving them out, binding them, closing them.
#include <core/evtchn/event_channels.hpp>
#include <core/mm/allocator.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

constinit PirqHooks pirq_hooks;

inline constexpr unsigned kBusyRetries = 8; // closed ports that are looked at before a fresh one is used
inline constexpr std::int32_t kCloseCost = 16;

// VIRQs that exist once per vCPU; all others once per domain (public header xen.h).
bool is_per_vcpu(std::uint32_t virq)
{
    return virq == VIRQ_TIMER || virq == VIRQ_DEBUG || virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

} // namespace

void set_pirq_hooks(PirqHooks const& hooks)
{
    pirq_hooks = hooks;
}

EventChannels::EventChannels(Domain& domain, std::uint32_t port_limit) : domain_(domain), limit_(port_limit) {}

Channel* EventChannels::channel(EvtchnPort port) const
{
    if (port.raw() >= load_acquire(allocated_))
        return nullptr;
    return record(port);
}

std::uint32_t EventChannels::usable_limit() const
{
    return load_relaxed(fifo_) != nullptr || limit_ < kMaxTwoLevelPorts ? limit_ : kMaxTwoLevelPorts;
}

[[gnu::noinline]] bool EventChannels::grow()
{
    auto* const page = reinterpret_cast<Channel*>(allocate_zeroed_page());
    if (page == nullptr)
        return false;
    for (std::uint32_t i = 0; i < kChannelsPerPage; ++i)
        new (&page[i]) Channel;
    pages_[allocated_ / kChannelsPerPage] = page;
    store_release(allocated_, allocated_ + kChannelsPerPage);
    return true;
}

inline Result<EvtchnPort> EventChannels::take_fresh_port()
{
    HV_REQUIRE(next_fresh_ < usable_limit(), Errno::NoSpc);
    HV_REQUIRE(next_fresh_ < allocated_ || grow(), Errno::NoMem);
    std::uint32_t const port = next_fresh_;
    store_relaxed(next_fresh_, port + 1);
    return EvtchnPort{port};
}

// The closed port that has waited longest, unless the first few are still in use by the guest.
[[gnu::noinline]] Result<EvtchnPort> EventChannels::take_closed_port()
{
    unsigned const tries = free_count_ < kBusyRetries ? free_count_ : kBusyRetries;
    for (unsigned round = 0; round < tries; ++round)
    {
        EvtchnPort const port{free_first_};
        Channel& closed = *record(port);
        free_first_ = closed.number;
        --free_count_;
        closed.number = 0;
        if (port.raw() < usable_limit() && (fifo_ == nullptr || !fifo_is_busy(*fifo_, port)))
            return port;
        give_port(port); // the guest has not yet taken it off a queue
    }
    return take_fresh_port();
}

Result<EvtchnPort> EventChannels::take_port()
{
    HV_REQUIRE(!ended_, Errno::Inval);
    return free_count_ == 0 ? take_fresh_port() : take_closed_port();
}

void EventChannels::give_port(EvtchnPort port)
{
    record(port)->number = 0;
    if (free_count_ == 0)
        free_first_ = port.raw();
    else
        record(EvtchnPort{free_last_})->number = port.raw();
    free_last_ = port.raw();
    ++free_count_;
}

void EventChannels::set_channel(Channel& channel, ChannelState state, std::uint32_t number, std::uint32_t vcpu)
{
    Guard guard(channel.lock);
    channel.number = number;
    channel.vcpu = static_cast<std::uint16_t>(vcpu);
    channel.priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    channel.state = state;
}

Result<EvtchnPort> EventChannels::alloc_unbound(DomainId remote)
{
    Guard guard(lock_);
    EvtchnPort const port = HV_TRY(take_port());
    Channel& fresh = *record(port);
    fresh.remote = remote;
    set_channel(fresh, ChannelState::Unbound, 0, 0);
    ++active_;
    return port;
}

Result<EvtchnPort> EventChannels::bind_interdomain(Domain& remote, EvtchnPort remote_port)
{
    EventChannels& other = *remote.events;
    PairGuard guard(lock_, other.lock_);
    HV_REQUIRE(!other.ended_, Errno::Inval);
    Channel* const far = other.channel(remote_port);
    HV_REQUIRE(far != nullptr && far->state == ChannelState::Unbound && far->remote == domain_.id(), Errno::Inval);
    EvtchnPort const port = HV_TRY(take_port());
    Channel& near = *record(port);
    near.peer = &other;
    near.remote = remote.id();
    set_channel(near, ChannelState::Interdomain, remote_port.raw(), 0);
    {
        Guard far_guard(far->lock); // keeps its vCPU and priority
        far->peer = this;
        far->number = port.raw();
        far->state = ChannelState::Interdomain;
    }
    ++active_;
    // The remote end may have signalled before anybody listened.
    Guard near_guard(near.lock);
    deliver(port);
    return port;
}

Result<EvtchnPort> EventChannels::bind_virq(std::uint32_t virq, std::uint32_t vcpu)
{
    HV_REQUIRE(virq < NR_VIRQS, Errno::Inval);
    HV_REQUIRE(is_per_vcpu(virq) || vcpu == 0, Errno::Inval);
    Vcpu* const target = domain_.vcpu(vcpu);
    HV_REQUIRE(target != nullptr, Errno::NoEnt);
    Guard guard(lock_);
    HV_REQUIRE(target->virq_ports[virq] == 0, Errno::Exist);
    EvtchnPort const port = HV_TRY(take_port());
    set_channel(*record(port), ChannelState::Virq, virq, vcpu);
    store_release(target->virq_ports[virq], port.raw());
    ++active_;
    return port;
}

Result<EvtchnPort> EventChannels::bind_ipi(std::uint32_t vcpu)
{
    HV_REQUIRE(domain_.vcpu(vcpu) != nullptr, Errno::NoEnt);
    Guard guard(lock_);
    EvtchnPort const port = HV_TRY(take_port());
    set_channel(*record(port), ChannelState::Ipi, 0, vcpu);
    ++active_;
    return port;
}

Result<EvtchnPort> EventChannels::bind_pirq(std::uint32_t pirq, bool will_share)
{
    HV_REQUIRE(pirq_hooks.bind != nullptr, Errno::Inval);
    Guard guard(lock_);
    EvtchnPort const port = HV_TRY(take_port());
    // Bound first: the interrupt may arrive as soon as it is routed.
    set_channel(*record(port), ChannelState::Pirq, pirq, 0);
    if (auto const routed = pirq_hooks.bind(domain_, pirq, port, will_share); !routed)
    {
        set_channel(*record(port), ChannelState::Closed, 0, 0);
        give_port(port);
        return routed.error();
    }
    ++active_;
    return port;
}

// Locks this table, and the peer's if `port` is bound to another domain's; returns that one. While our lock is held the
// peer cannot go away, since it would have to close this channel under our lock first.
EventChannels* EventChannels::lock_with_peer(EvtchnPort port)
{
    while (true)
    {
        lock_.lock();
        Channel const* const near = channel(port);
        if (near == nullptr || near->state != ChannelState::Interdomain || near->peer == this)
            return nullptr;
        EventChannels* const other = near->peer;
        if (&lock_ < &other->lock_)
        {
            other->lock_.lock(); // the proper order
            return other;
        }
        if (other->lock_.try_lock())
            return other;
        lock_.unlock();
        spin_wait();
    }
}

void EventChannels::close_locked(EvtchnPort port, Channel& closing)
{
    switch (closing.state)
    {
    case ChannelState::Interdomain:
    {
        Channel& far = *closing.peer->channel(EvtchnPort{closing.number});
        Guard far_guard(far.lock);
        far.peer = nullptr;
        far.number = 0;
        far.remote = domain_.id();
        far.state = ChannelState::Unbound;
        break;
    }
    case ChannelState::Virq:
    {
        Vcpu& owner = *domain_.vcpu(is_per_vcpu(closing.number) ? closing.vcpu : 0);
        store_release(owner.virq_ports[closing.number], 0);
        break;
    }
    case ChannelState::Pirq: pirq_hooks.unbind(domain_, closing.number, port); break;
    default: break;
    }
    {
        Guard guard(closing.lock); // from here on nobody delivers to it
        closing.state = ChannelState::Closed;
        closing.peer = nullptr;
        closing.number = 0;
        closing.vcpu = 0;
        clear_pending(port);
    }
    give_port(port);
    --active_;
}

Result<void> EventChannels::close(EvtchnPort port)
{
    EventChannels* const other = lock_with_peer(port);
    Channel* const closing = channel(port);
    bool const in_use = closing != nullptr && closing->state != ChannelState::Closed;
    if (in_use)
        close_locked(port, *closing);
    if (other != nullptr)
        other->lock_.unlock();
    lock_.unlock();
    HV_REQUIRE(in_use, Errno::Inval);
    return {};
}

bool EventChannels::close_some(std::int32_t& budget)
{
    // The place is shared by all who reset at once: each port is visited by one of them, so the caller looks at active_.
    // Ports from next_fresh_ on have never been open.
    for (std::uint32_t next = load_relaxed(close_next_); next < load_relaxed(next_fresh_);
         next = load_relaxed(close_next_))
    {
        if (budget <= 0)
            return false;
        if (!compare_exchange(close_next_, next, next + 1))
            continue;
        bool const closed = static_cast<bool>(close(EvtchnPort{next}));
        budget -= closed ? kCloseCost : 1;
    }
    store_relaxed(close_next_, 1);
    return true;
}

Result<void> EventChannels::reset(std::int32_t& budget)
{
    HV_REQUIRE(close_some(budget), Errno::Restart);
    Guard guard(lock_);
    if (active_ != 0)
        return Errno::Again; // another vCPU of the guest binds while it resets
    if (fifo_ != nullptr)
        leave_fifo();
    return {};
}

Result<void> EventChannels::bind_vcpu(EvtchnPort port, std::uint32_t vcpu)
{
    Vcpu* const target = domain_.vcpu(vcpu);
    HV_REQUIRE(target != nullptr, Errno::NoEnt);
    Guard guard(lock_);
    Channel* const moving = channel(port);
    HV_REQUIRE(moving != nullptr, Errno::Inval);
    switch (moving->state)
    {
    case ChannelState::Virq: HV_REQUIRE(!is_per_vcpu(moving->number), Errno::Inval); break;
    case ChannelState::Unbound:
    case ChannelState::Interdomain:
    case ChannelState::Pirq: break;
    default: return Errno::Inval;
    }
    {
        Guard moving_guard(moving->lock);
        store_relaxed(moving->vcpu, vcpu);
    }
    if (moving->state == ChannelState::Pirq && pirq_hooks.moved != nullptr)
        pirq_hooks.moved(domain_, moving->number, *target);
    return {};
}

Result<void> EventChannels::status(EvtchnPort port, abi::evtchn_status& out)
{
    HV_REQUIRE(port.raw() < usable_limit(), Errno::Inval);
    Guard guard(lock_);
    Channel const* const asked = channel(port);
    out.status = asked != nullptr ? static_cast<std::uint32_t>(asked->state) : EVTCHNSTAT_closed;
    out.vcpu = asked != nullptr ? asked->vcpu : 0;
    out.u = {};
    switch (out.status)
    {
    case EVTCHNSTAT_unbound: out.u.unbound.dom = asked->remote.raw(); break;
    case EVTCHNSTAT_interdomain:
        out.u.interdomain.dom = asked->remote.raw();
        out.u.interdomain.port = asked->number;
        break;
    case EVTCHNSTAT_pirq: out.u.pirq = asked->number; break;
    case EVTCHNSTAT_virq: out.u.virq = asked->number; break;
    default: break;
    }
    return {};
}

bool EventChannels::usable(EvtchnPort port) const
{
    return port.raw() < load_acquire(allocated_) && load_relaxed(record(port)->state) != ChannelState::Closed;
}

Result<void> events_create(Domain& domain, std::uint32_t max_port)
{
    std::uint32_t const limit = max_port < kMaxFifoPorts - 1 ? max_port + 1 : kMaxFifoPorts;
    auto* const events = heap_new<EventChannels>(domain, limit);
    HV_REQUIRE(events != nullptr, Errno::NoMem);
    std::size_t const directory = (limit + kChannelsPerPage - 1) / kChannelsPerPage * sizeof(Channel*);
    events->pages_ = static_cast<Channel**>(heap_allocate(directory));
    if (events->pages_ == nullptr)
    {
        heap_delete(events);
        return Errno::NoMem;
    }
    domain.events = events;
    return {};
}

bool events_relinquish(Domain& domain, std::int32_t& budget)
{
    EventChannels& events = *domain.events;
    {
        Guard guard(events.lock_);
        events.ended_ = true;
    }
    forget_virq_handler(domain);
    if (!events.close_some(budget))
        return false;
    Guard guard(events.lock_);
    if (events.active_ != 0)
        return false; // a reset of the control domain's took part of the work and is not through with it
    if (events.fifo_ != nullptr)
        events.leave_fifo();
    return true;
}

void events_destroy(Domain& domain)
{
    EventChannels* const events = domain.events;
    HV_ASSERT(events->active_ == 0 && events->fifo_ == nullptr);
    for (std::uint32_t page = 0; page < events->allocated_ / kChannelsPerPage; ++page)
        free_page(reinterpret_cast<std::byte*>(events->pages_[page]));
    std::uint32_t const limit = events->limit_;
    heap_free(events->pages_, (limit + kChannelsPerPage - 1) / kChannelsPerPage * sizeof(Channel*));
    domain.events = nullptr;
    heap_delete(events);
}

} // namespace hv
