// SPDX-License-Identifier: MIT
// Going over to FIFO and back: control blocks, event-word pages, and what 2-level state is taken along.
#include <core/evtchn/event_channels.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/frame.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

FifoQueues* make_queues(Mfn frame, std::uint32_t offset)
{
    auto* const queues = heap_new<FifoQueues>();
    if (queues == nullptr)
        return nullptr;
    queues->frame = frame;
    queues->control = reinterpret_cast<abi::evtchn_fifo_control_block*>(port::frame_data(frame) + offset);
    return queues;
}

bool two_level_bit(std::uint64_t const* words, std::uint32_t port)
{
    return ((load_relaxed(words[port / 64]) >> (port % 64)) & 1) != 0;
}

} // namespace

Result<void> EventChannels::fifo_init_control(std::uint32_t vcpu, GuestFrame frame, std::uint32_t offset)
{
    HV_REQUIRE(offset <= kPageSize - sizeof(abi::evtchn_fifo_control_block) && offset % 8 == 0, Errno::Inval);
    Vcpu* const target = domain_.vcpu(vcpu);
    HV_REQUIRE(target != nullptr, Errno::NoEnt);
    Guard guard(lock_);
    HV_REQUIRE(!ended_ && target->fifo == nullptr, Errno::Inval);
    Mfn const control = domain_.resolve(frame);
    HV_REQUIRE(get_writable(control, domain_.id()), Errno::Inval);
    FifoQueues* const queues = make_queues(control, offset);
    FifoState* const fresh = fifo_ == nullptr ? heap_new<FifoState>() : nullptr;
    if (queues == nullptr || (fifo_ == nullptr && fresh == nullptr))
    {
        heap_delete(queues);
        heap_delete(fresh);
        put_writable(control);
        return Errno::NoMem;
    }
    store_release(target->fifo, queues);
    if (fresh != nullptr)
        adopt_two_level_state(*fresh);
    return {};
}

// The first control block: from now on events go to words, and until a word's page exists they are latched.
void EventChannels::adopt_two_level_state(FifoState& fifo)
{
    store_release(fifo_, &fifo);
    full_barrier(); // published before the bits are collected; see deliver_two_level
    std::uint32_t const ports = next_fresh_ < kMaxTwoLevelPorts ? next_fresh_ : kMaxTwoLevelPorts;
    for (std::uint32_t port = 1; port < ports; ++port)
    {
        Channel& adopted = *channel(EvtchnPort{port});
        if (adopted.state != ChannelState::Closed && test_and_clear_bit(domain_.shared_info->evtchn_pending, port))
            (void)exchange(adopted.latched, true);
    }
}

Result<void> EventChannels::fifo_expand_array(GuestFrame frame)
{
    Guard guard(lock_);
    HV_REQUIRE(fifo_ != nullptr, Errno::NoSys);
    FifoState& fifo = *fifo_;
    std::uint32_t const page = fifo.pages;
    HV_REQUIRE(page < kMaxFifoPages && page * kFifoWordsPerPage < limit_, Errno::NoSpc);
    Mfn const array = domain_.resolve(frame);
    HV_REQUIRE(get_writable(array, domain_.id()), Errno::Inval);
    fifo.frames[page] = array;
    fifo.words[page] = reinterpret_cast<std::uint32_t*>(port::frame_data(array));
    store_release(fifo.pages, page + 1);
    full_barrier(); // the page is visible before the latches are taken; see fifo_set_pending
    adopt_page(fifo, page);
    return {};
}

// Ports whose words are on this page: masks of before the change, and events that waited for the page.
void EventChannels::adopt_page(FifoState& fifo, std::uint32_t page)
{
    std::uint32_t const first = page * kFifoWordsPerPage;
    for (std::uint32_t number = first; number < first + kFifoWordsPerPage && number < next_fresh_; ++number)
    {
        Channel* const adopted = channel(EvtchnPort{number});
        if (number == 0 || adopted == nullptr)
            continue;
        Guard guard(adopted->lock);
        if (number < kMaxTwoLevelPorts && two_level_bit(domain_.shared_info->evtchn_mask, number))
            fetch_or(fifo.words[page][number % kFifoWordsPerPage], 1u << EVTCHN_FIFO_MASKED);
        if (adopted->state != ChannelState::Closed && exchange(adopted->latched, false) &&
            fifo_set_pending(domain_, fifo, EvtchnPort{number}, *adopted))
            wake_pollers(EvtchnPort{number});
    }
}

Result<void> EventChannels::fifo_set_priority(EvtchnPort port, std::uint32_t priority)
{
    HV_REQUIRE(priority <= EVTCHN_FIFO_PRIORITY_MIN, Errno::Inval);
    Guard guard(lock_);
    HV_REQUIRE(fifo_ != nullptr, Errno::NoSys);
    Channel* const target = channel(port);
    HV_REQUIRE(target != nullptr && target->state != ChannelState::Closed, Errno::Inval);
    Guard target_guard(target->lock);
    store_relaxed(target->priority, priority); // an event already queued keeps its place
    return {};
}

// Every port is closed, so nobody delivers: the pages go back to the guest.
void EventChannels::leave_fifo()
{
    FifoState* const fifo = fifo_;
    store_release(fifo_, static_cast<FifoState*>(nullptr));
    for (std::uint32_t page = 0; page < fifo->pages; ++page)
        put_writable(fifo->frames[page]);
    heap_delete(fifo);
    for (std::uint32_t id = 0; id < domain_.vcpu_count; ++id)
    {
        Vcpu& vcpu = *domain_.vcpus[id];
        if (vcpu.fifo == nullptr)
            continue;
        put_writable(vcpu.fifo->frame);
        heap_delete(vcpu.fifo);
        vcpu.fifo = nullptr;
    }
    // Ports beyond the 2-level range may be on the list of closed ones: start over.
    for (std::uint32_t number = 1; number < next_fresh_; ++number)
    {
        Channel& closed = *channel(EvtchnPort{number});
        closed.number = 0;
        closed.last_vcpu = 0;
        closed.last_priority = EVTCHN_FIFO_PRIORITY_DEFAULT;
    }
    free_first_ = free_last_ = free_count_ = 0;
    next_fresh_ = 1;
}

} // namespace hv
