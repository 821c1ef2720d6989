// SPDX-License-Identifier: MIT
// FIFO events, with a consumer that follows the public protocol, and with guests that do not.
#include "machine_test.hpp"

#include <core/evtchn/event_channels.hpp>

#include <thread>
#include <vector>

namespace hv
{
namespace
{

constexpr std::uint32_t kPending = 1u << EVTCHN_FIFO_PENDING;
constexpr std::uint32_t kMasked = 1u << EVTCHN_FIFO_MASKED;
constexpr std::uint32_t kLinked = 1u << EVTCHN_FIFO_LINKED;

class FifoTest : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        guest_ = &running_domain(2);
    }

    // Control blocks for both vCPUs on one page, and one page of words.
    void go_fifo()
    {
        control_ = host::guest_page(*guest_);
        ASSERT_TRUE(guest_->events->fifo_init_control(0, guest_->expose(control_), 0));
        ASSERT_TRUE(guest_->events->fifo_init_control(1, guest_->expose(control_), 128));
        words_ = host::guest_page(*guest_);
        ASSERT_TRUE(guest_->events->fifo_expand_array(guest_->expose(words_)));
    }

    abi::evtchn_fifo_control_block& control(unsigned vcpu)
    {
        return *reinterpret_cast<abi::evtchn_fifo_control_block*>(port::frame_data(control_) + 128 * vcpu);
    }
    std::uint32_t& word(EvtchnPort port)
    {
        return reinterpret_cast<std::uint32_t*>(port::frame_data(words_))[port.raw()];
    }

    // Takes all events off a vCPU's queues, highest priority first, as a kernel does.
    std::vector<std::uint32_t> consume(unsigned vcpu)
    {
        guest_->vcpus[vcpu]->info->evtchn_upcall_pending = 0;
        std::vector<std::uint32_t> events;
        while (std::uint32_t const ready = __atomic_exchange_n(&control(vcpu).ready, 0u, __ATOMIC_SEQ_CST))
            for (unsigned priority = 0; priority < 16; ++priority)
                if ((ready >> priority & 1) != 0)
                    consume_queue(vcpu, priority, events);
        return events;
    }

    void consume_queue(unsigned vcpu, unsigned priority, std::vector<std::uint32_t>& events)
    {
        for (std::uint32_t port = control(vcpu).head[priority]; port != 0;)
        {
            std::uint32_t& taken = word(EvtchnPort{port});
            std::uint32_t const before =
                __atomic_fetch_and(&taken, ~(kLinked | EVTCHN_FIFO_LINK_MASK), __ATOMIC_SEQ_CST);
            if ((before & kMasked) == 0 && (before & kPending) != 0)
            {
                events.push_back(port);
                __atomic_fetch_and(&taken, ~kPending, __ATOMIC_SEQ_CST);
            }
            port = before & EVTCHN_FIFO_LINK_MASK;
        }
    }

    Domain* guest_ = nullptr;
    Mfn control_{};
    Mfn words_{};
};

TEST_F(FifoTest, ControlBlocksAreChecked)
{
    Mfn const page = host::guest_page(*guest_);
    GuestFrame const frame = guest_->expose(page);
    EventChannels& events = *guest_->events;
    EXPECT_EQ(events.fifo_init_control(0, frame, kPageSize - 64).error(), Errno::Inval);
    EXPECT_EQ(events.fifo_init_control(0, frame, 4).error(), Errno::Inval);
    EXPECT_EQ(events.fifo_init_control(5, frame, 0).error(), Errno::NoEnt);
    EXPECT_EQ(events.fifo_init_control(0, GuestFrame{~0ull}, 0).error(), Errno::Inval);
    EXPECT_EQ(events.fifo_expand_array(frame).error(), Errno::NoSys) << "a failed call changes nothing";
    EXPECT_EQ(events.fifo_set_priority(EvtchnPort{1}, 3).error(), Errno::NoSys);
    EXPECT_TRUE(events.fifo_init_control(0, frame, 0));
    EXPECT_EQ(events.fifo_init_control(0, frame, 128).error(), Errno::Inval) << "once per vCPU";
}

TEST_F(FifoTest, EventsArriveInTheOrderOfSending)
{
    go_fifo();
    std::vector<std::uint32_t> sent;
    for (int count = 0; count < 10; ++count)
    {
        EvtchnPort const port = guest_->events->bind_ipi(0).value();
        sent.push_back(port.raw());
        EXPECT_TRUE(guest_->events->send(port));
    }
    EXPECT_EQ(guest_->vcpus[0]->info->evtchn_upcall_pending, 1);
    EXPECT_EQ(consume(0), sent);
    EXPECT_TRUE(consume(0).empty());
    EXPECT_TRUE(guest_->events->send(EvtchnPort{sent[3]})) << "and again after the queue ran empty";
    EXPECT_EQ(consume(0), (std::vector<std::uint32_t>{sent[3]}));
}

TEST_F(FifoTest, HigherPriorityComesFirst)
{
    go_fifo();
    EvtchnPort const low = guest_->events->bind_ipi(0).value();
    EvtchnPort const high = guest_->events->bind_ipi(0).value();
    EXPECT_TRUE(guest_->events->fifo_set_priority(low, 15));
    EXPECT_TRUE(guest_->events->fifo_set_priority(high, 0));
    EXPECT_EQ(guest_->events->fifo_set_priority(high, 16).error(), Errno::Inval);
    EXPECT_TRUE(guest_->events->send(low));
    EXPECT_TRUE(guest_->events->send(high));
    EXPECT_EQ(consume(0), (std::vector<std::uint32_t>{high.raw(), low.raw()}));
}

TEST_F(FifoTest, MaskedEventWaitsForUnmask)
{
    go_fifo();
    EvtchnPort const port = guest_->events->bind_ipi(0).value();
    word(port) = kMasked;
    EXPECT_TRUE(guest_->events->send(port));
    EXPECT_TRUE(consume(0).empty());
    EXPECT_EQ(word(port), kMasked | kPending);
    EXPECT_TRUE(guest_->events->unmask(port));
    EXPECT_EQ(consume(0), (std::vector<std::uint32_t>{port.raw()}));
}

TEST_F(FifoTest, TwoLevelEventsAreTakenAlong)
{
    EvtchnPort const port = guest_->events->bind_ipi(0).value();
    EXPECT_TRUE(guest_->events->send(port));
    go_fifo();
    EXPECT_EQ(consume(0), (std::vector<std::uint32_t>{port.raw()}));
}

TEST_F(FifoTest, EventsBeforeTheirWordExistsAreLatched)
{
    control_ = host::guest_page(*guest_);
    ASSERT_TRUE(guest_->events->fifo_init_control(0, guest_->expose(control_), 0));
    EvtchnPort const port = guest_->events->bind_ipi(0).value();
    EXPECT_TRUE(guest_->events->send(port));
    EXPECT_TRUE(guest_->events->pending(port));
    words_ = host::guest_page(*guest_);
    ASSERT_TRUE(guest_->events->fifo_expand_array(guest_->expose(words_)));
    EXPECT_EQ(consume(0), (std::vector<std::uint32_t>{port.raw()}));
}

TEST_F(FifoTest, TailThatMovesToAnotherQueueDoesNotDragTheOldQueueAlong)
{
    go_fifo();
    Domain& other = domain();
    EvtchnPort const far = other.events->alloc_unbound(guest_->id()).value();
    EvtchnPort const moving = guest_->events->bind_interdomain(other, far).value();
    EvtchnPort const staying = guest_->events->bind_ipi(0).value();
    EXPECT_EQ(consume(0), (std::vector<std::uint32_t>{moving.raw()})); // the tail of vCPU 0's queue, consumed
    EXPECT_TRUE(guest_->events->bind_vcpu(moving, 1));
    EXPECT_TRUE(other.events->send(far)); // linked on vCPU 1's queue now
    EXPECT_TRUE(guest_->events->send(staying));
    EXPECT_EQ(consume(0), (std::vector<std::uint32_t>{staying.raw()}));
    EXPECT_EQ(consume(1), (std::vector<std::uint32_t>{moving.raw()}));
}

TEST_F(FifoTest, MoreThan4096PortsAndPages)
{
    DomainSettings settings;
    settings.max_event_port = 6000;
    Domain& large = host::make_domain(settings, 1);
    Mfn const page = host::guest_page(large);
    ASSERT_TRUE(large.events->fifo_init_control(0, large.expose(page), 0));
    for (int count = 0; count < 6; ++count)
        EXPECT_TRUE(large.events->fifo_expand_array(large.expose(host::guest_page(large))));
    EXPECT_EQ(large.events->fifo_expand_array(large.expose(host::guest_page(large))).error(), Errno::NoSpc);
    unsigned made = 0;
    while (large.events->bind_ipi(0))
        ++made;
    EXPECT_EQ(made, 6000u);
    EXPECT_TRUE(large.events->send(EvtchnPort{5999}));
    EXPECT_TRUE(large.events->pending(EvtchnPort{5999}));
    host::destroy(large);
}

TEST_F(FifoTest, ResetReturnsToTwoLevelAndGivesThePagesBack)
{
    go_fifo();
    EvtchnPort const port = guest_->events->bind_ipi(0).value();
    EXPECT_TRUE(guest_->events->send(port));
    std::int32_t budget = 1'000'000;
    EXPECT_TRUE(guest_->events->reset(budget));
    EXPECT_EQ(frame_info(words_)->type_count(), 0u);
    EXPECT_EQ(frame_info(control_)->type_count(), 0u);
    EvtchnPort const again = guest_->events->bind_ipi(0).value();
    EXPECT_TRUE(guest_->events->send(again));
    EXPECT_NE(guest_->shared_info->evtchn_pending[0], 0u);
}

TEST_F(FifoTest, BusyPortIsNotGivenOutAgain)
{
    go_fifo();
    EvtchnPort const port = guest_->events->bind_ipi(0).value();
    EXPECT_TRUE(guest_->events->send(port));
    EXPECT_TRUE(guest_->events->close(port)); // still linked in the guest's queue
    EXPECT_NE(guest_->events->bind_ipi(0).value(), port);
    EXPECT_TRUE(consume(0).empty()) << "closing forgot the event";
    bool seen = false;
    for (int count = 0; count < 4; ++count)
        seen = seen || guest_->events->bind_ipi(0).value() == port;
    EXPECT_TRUE(seen) << "off the queue it can be used again";
}

TEST_F(FifoTest, GuestThatScribblesOverItsWordsHurtsOnlyItself)
{
    go_fifo();
    std::vector<EvtchnPort> ports;
    for (int count = 0; count < 16; ++count)
        ports.push_back(guest_->events->bind_ipi(0).value());
    bool stop = false;
    std::thread scribbler([&] {
        std::uint32_t seed = 1;
        while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        {
            seed = seed * 1664525 + 1013904223;
            __atomic_store_n(&word(EvtchnPort{1 + (seed >> 8) % 1000}), seed, __ATOMIC_RELAXED);
            __atomic_store_n(&control(0).head[seed % 16], seed >> 4, __ATOMIC_RELAXED);
        }
    });
    for (int round = 0; round < 200000; ++round)
        EXPECT_TRUE(guest_->events->send(ports[round % ports.size()]));
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    scribbler.join();
}

} // namespace
} // namespace hv
