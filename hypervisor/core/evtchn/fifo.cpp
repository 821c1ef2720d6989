// SPDX-License-Identifier: MIT
// FIFO events: the words and queues (protocol: public header event_channel.h and surface.md 3.5).
#include <core/domain/domain.hpp>
#include <core/evtchn/event_channels.hpp>
#include <core/evtchn/fifo.hpp>
#include <lib/atomic.hpp>

namespace hv
{
namespace
{

constexpr std::uint32_t kPending = 1u << EVTCHN_FIFO_PENDING;
constexpr std::uint32_t kMasked = 1u << EVTCHN_FIFO_MASKED;
constexpr std::uint32_t kLinked = 1u << EVTCHN_FIFO_LINKED;
constexpr std::uint32_t kBusy = 1u << EVTCHN_FIFO_BUSY;
constexpr std::uint32_t kLinkMask = EVTCHN_FIFO_LINK_MASK;

// Tries of a compare-exchange against the guest: without BUSY, and then with BUSY set, which makes an honest guest wait.
constexpr unsigned kFreeTries = 4;
constexpr unsigned kBusyTries = 64;

// Sets the link of a queue's tail. False when the tail has been consumed, or the guest does not stop changing the word.
bool set_link(std::uint32_t& tail_word, std::uint32_t next)
{
    std::uint32_t seen = load_relaxed(tail_word);
    bool busy = false;
    for (unsigned round = 0; round < kFreeTries + kBusyTries; ++round)
    {
        if (round == kFreeTries)
        {
            seen = fetch_or(tail_word, kBusy) | kBusy;
            busy = true;
        }
        if ((seen & kLinked) == 0)
            break;
        std::uint32_t const linked = (seen & ~(kLinkMask | kBusy)) | next;
        if (compare_exchange(tail_word, seen, linked))
            return true;
    }
    if (busy)
        fetch_and(tail_word, ~kBusy);
    return false;
}

// Sets LINKED, with no successor, if the event is pending, not masked and not on a queue.
bool claim_link(std::uint32_t& word)
{
    std::uint32_t seen = load_relaxed(word);
    for (unsigned round = 0; round < kBusyTries; ++round)
    {
        if ((seen & (kPending | kMasked | kLinked)) != kPending)
            return false;
        if (compare_exchange(word, seen, (seen & ~kLinkMask) | kLinked))
            return true;
    }
    return false; // the guest fights over its own event; it has to look for itself
}

// Locks the queue that the event was last on and the one it goes to; they may be the same. The pair is stable once both
// are held, since it changes only under both.
class QueuePair
{
public:
    QueuePair(Domain& domain, Channel& channel, FifoQueue& target) HV_NO_THREAD_SAFETY : target_(target)
    {
        while (true)
        {
            std::uint16_t const vcpu = load_relaxed(channel.last_vcpu);
            std::uint8_t const priority = load_relaxed(channel.last_priority);
            FifoQueues* const queues = domain.vcpus[vcpu]->fifo;
            old_ = queues != nullptr ? &queues->queue[priority] : &target;
            FifoQueue& low = old_ < &target_ ? *old_ : target_;
            FifoQueue& high = old_ < &target_ ? target_ : *old_;
            low.lock.lock();
            if (&low != &high)
                high.lock.lock();
            if (load_relaxed(channel.last_vcpu) == vcpu && load_relaxed(channel.last_priority) == priority)
                return;
            unlock();
        }
    }
    ~QueuePair() HV_NO_THREAD_SAFETY { unlock(); }
    QueuePair(QueuePair const&) = delete;
    QueuePair& operator=(QueuePair const&) = delete;

    [[nodiscard]] FifoQueue& old() const { return *old_; }

private:
    void unlock() HV_NO_THREAD_SAFETY
    {
        target_.lock.unlock();
        if (old_ != &target_)
            old_->lock.unlock();
    }

    FifoQueue& target_;
    FifoQueue* old_ = nullptr;
};

// Puts a pending, unmasked event on the queue of its vCPU and priority.
void link_event(Domain& domain, FifoState& fifo, EvtchnPort port, Channel& channel, std::uint32_t& word)
{
    std::uint16_t const target_vcpu = load_relaxed(channel.vcpu);
    std::uint8_t const target_priority = load_relaxed(channel.priority);
    Vcpu& vcpu = *domain.vcpus[target_vcpu];
    FifoQueues* const queues = vcpu.fifo;
    if (queues == nullptr)
        return; // no control block yet: the event stays pending, the guest meets it when it looks
    FifoQueue& queue = queues->queue[target_priority];
    bool newly_ready = false;
    {
        QueuePair const locked(domain, channel, queue);
        if (!claim_link(word))
            return;
        // Off the old queue: were it still that queue's tail, the next event there would be linked into ours.
        if (&locked.old() != &queue && locked.old().tail == port.raw())
            locked.old().tail = 0;
        store_relaxed(channel.last_vcpu, target_vcpu);
        store_relaxed(channel.last_priority, target_priority);

        bool appended = false;
        if (queue.tail != 0 && queue.tail != port.raw())
            if (std::uint32_t* const tail_word = fifo.word(EvtchnPort{queue.tail}); tail_word != nullptr)
                appended = set_link(*tail_word, port.raw());
        queue.tail = port.raw();
        if (!appended)
        {
            store_release(queues->control->head[target_priority], port.raw());
            newly_ready = (fetch_or(queues->control->ready, 1u << target_priority) & (1u << target_priority)) == 0;
        }
    }
    if (newly_ready)
        mark_event_pending(vcpu);
}

} // namespace

bool fifo_set_pending(Domain& domain, FifoState& fifo, EvtchnPort port, Channel& channel)
{
    std::uint32_t* const word = fifo.word(port);
    if (word == nullptr)
    {
        bool const before = exchange(channel.latched, true);
        // The page may have appeared in between; whoever takes the latch moves the event on.
        if (fifo.word(port) == nullptr || !exchange(channel.latched, false))
            return !before;
        return fifo_set_pending(domain, fifo, port, channel); // the word exists now: at most once
    }
    std::uint32_t const before = fetch_or(*word, kPending);
    if ((before & (kMasked | kLinked)) == 0)
        link_event(domain, fifo, port, channel, *word);
    return (before & kPending) == 0;
}

void fifo_unmask(Domain& domain, FifoState& fifo, EvtchnPort port, Channel& channel)
{
    std::uint32_t* const word = fifo.word(port);
    if (word == nullptr)
        return;
    std::uint32_t const before = fetch_and(*word, ~kMasked);
    if ((before & (kPending | kLinked)) == kPending)
        link_event(domain, fifo, port, channel, *word);
}

void fifo_clear_pending(FifoState& fifo, EvtchnPort port, Channel& channel)
{
    store_relaxed(channel.latched, false);
    if (std::uint32_t* const word = fifo.word(port); word != nullptr)
        fetch_and(*word, ~kPending);
}

bool fifo_is_pending(FifoState const& fifo, EvtchnPort port, Channel const& channel)
{
    if (std::uint32_t const* const word = fifo.word(port); word != nullptr)
        return (load_relaxed(*word) & kPending) != 0;
    return load_relaxed(channel.latched);
}

bool fifo_is_busy(FifoState const& fifo, EvtchnPort port)
{
    std::uint32_t const* const word = fifo.word(port);
    return word != nullptr && (load_relaxed(*word) & kLinked) != 0;
}

} // namespace hv
