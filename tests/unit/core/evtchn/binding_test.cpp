// SPDX-License-Identifier: MIT
// Event channels: binding, closing, limits, status.
#include "machine_test.hpp"

#include <core/evtchn/event_channels.hpp>

namespace hv
{
namespace
{

class BindingTest : public host::MachineTest
{
protected:
    static abi::evtchn_status status(Domain& domain, EvtchnPort port)
    {
        abi::evtchn_status out{};
        EXPECT_TRUE(domain.events->status(port, out));
        return out;
    }
    static bool pending(Domain& domain, EvtchnPort port)
    {
        return (domain.shared_info->evtchn_pending[port.raw() / 64] >> (port.raw() % 64) & 1) != 0;
    }
};

TEST_F(BindingTest, PortsAreGivenOutFromOneUpwards)
{
    Domain& guest = domain();
    EXPECT_EQ(guest.events->alloc_unbound(DomainId{0}).value().raw(), 1u);
    EXPECT_EQ(guest.events->alloc_unbound(DomainId{0}).value().raw(), 2u);
}

TEST_F(BindingTest, InterdomainConnectsBothEndsAndSignalsTheBinder)
{
    Domain& a = domain();
    Domain& b = domain();
    EvtchnPort const at_a = a.events->alloc_unbound(b.id()).value();
    EvtchnPort const at_b = b.events->bind_interdomain(a, at_a).value();
    EXPECT_EQ(status(a, at_a).status, std::uint32_t{EVTCHNSTAT_interdomain});
    EXPECT_EQ(status(a, at_a).u.interdomain.dom, b.id().raw());
    EXPECT_EQ(status(a, at_a).u.interdomain.port, at_b.raw());
    EXPECT_EQ(status(b, at_b).u.interdomain.port, at_a.raw());
    EXPECT_TRUE(pending(b, at_b)) << "an earlier signal may have been missed";
    EXPECT_FALSE(pending(a, at_a));
    EXPECT_TRUE(b.events->send(at_b));
    EXPECT_TRUE(pending(a, at_a));
}

TEST_F(BindingTest, OnlyTheNamedDomainMayBind)
{
    Domain& a = domain();
    Domain& b = domain();
    Domain& intruder = domain();
    EvtchnPort const at_a = a.events->alloc_unbound(b.id()).value();
    EXPECT_EQ(intruder.events->bind_interdomain(a, at_a).error(), Errno::Inval);
    EXPECT_EQ(b.events->bind_interdomain(a, at_a + 1).error(), Errno::Inval);
    EXPECT_EQ(b.events->bind_interdomain(a, EvtchnPort{0}).error(), Errno::Inval);
    EXPECT_EQ(b.events->bind_interdomain(a, EvtchnPort{~0u}).error(), Errno::Inval);
    EXPECT_TRUE(b.events->bind_interdomain(a, at_a));
    EXPECT_EQ(b.events->bind_interdomain(a, at_a).error(), Errno::Inval) << "bound already";
}

TEST_F(BindingTest, LoopbackWorks)
{
    Domain& a = domain();
    EvtchnPort const listening = a.events->alloc_unbound(a.id()).value();
    EvtchnPort const other = a.events->bind_interdomain(a, listening).value();
    EXPECT_NE(listening, other);
    EXPECT_TRUE(a.events->send(other));
    EXPECT_TRUE(pending(a, listening));
    EXPECT_TRUE(a.events->close(listening));
    EXPECT_EQ(status(a, other).status, std::uint32_t{EVTCHNSTAT_unbound});
}

TEST_F(BindingTest, CloseLeavesThePeerUnboundAndForgetsThePendingBit)
{
    Domain& a = domain();
    Domain& b = domain();
    EvtchnPort const at_a = a.events->alloc_unbound(b.id()).value();
    EvtchnPort const at_b = b.events->bind_interdomain(a, at_a).value();
    EXPECT_TRUE(b.events->close(at_b));
    EXPECT_FALSE(pending(b, at_b));
    EXPECT_EQ(status(a, at_a).status, std::uint32_t{EVTCHNSTAT_unbound});
    EXPECT_EQ(status(a, at_a).u.unbound.dom, b.id().raw());
    EXPECT_TRUE(a.events->send(at_a)) << "silently lost";
    EXPECT_EQ(b.events->close(at_b).error(), Errno::Inval);
    EXPECT_EQ(b.events->send(at_b).error(), Errno::Inval);
    EXPECT_TRUE(b.events->bind_interdomain(a, at_a)) << "the other side may come back";
}

TEST_F(BindingTest, ClosedPortsAreReused)
{
    Domain& a = domain();
    for (int round = 0; round < 5000; ++round)
    {
        EvtchnPort const port = a.events->alloc_unbound(DomainId{0}).value();
        ASSERT_LT(port.raw(), 4u);
        ASSERT_TRUE(a.events->close(port));
    }
    EXPECT_EQ(a.events->active_ports(), 0u);
}

TEST_F(BindingTest, LimitOfTheDomainHolds)
{
    DomainSettings settings;
    settings.max_event_port = 9;
    Domain& small = host::make_domain(settings, 1);
    for (int count = 1; count <= 9; ++count)
        EXPECT_TRUE(small.events->alloc_unbound(DomainId{0}));
    EXPECT_EQ(small.events->alloc_unbound(DomainId{0}).error(), Errno::NoSpc);
    EXPECT_TRUE(small.events->close(EvtchnPort{4}));
    EXPECT_EQ(small.events->alloc_unbound(DomainId{0}).value().raw(), 4u);
    host::destroy(small);
}

TEST_F(BindingTest, TwoLevelEndsAt4096Ports)
{
    DomainSettings settings;
    settings.max_event_port = 200000;
    Domain& large = host::make_domain(settings, 1);
    unsigned made = 0;
    while (large.events->alloc_unbound(DomainId{0}))
        ++made;
    EXPECT_EQ(made, 4095u);
    host::destroy(large);
}

TEST_F(BindingTest, VirqsAreUniquePerVcpuAndGlobalOnesOnTheFirst)
{
    Domain& a = domain(2);
    EXPECT_TRUE(a.events->bind_virq(VIRQ_TIMER, 0));
    EXPECT_TRUE(a.events->bind_virq(VIRQ_TIMER, 1));
    EXPECT_EQ(a.events->bind_virq(VIRQ_TIMER, 1).error(), Errno::Exist);
    EXPECT_EQ(a.events->bind_virq(VIRQ_TIMER, 2).error(), Errno::NoEnt);
    EXPECT_EQ(a.events->bind_virq(VIRQ_CONSOLE, 1).error(), Errno::Inval);
    EXPECT_EQ(a.events->bind_virq(NR_VIRQS, 0).error(), Errno::Inval);
    EvtchnPort const console = a.events->bind_virq(VIRQ_CONSOLE, 0).value();
    send_global_virq(a, VIRQ_CONSOLE);
    EXPECT_TRUE(pending(a, console));
    EXPECT_TRUE(a.events->bind_vcpu(console, 1)) << "global ones may move";
    EXPECT_TRUE(a.events->close(console));
    send_global_virq(a, VIRQ_CONSOLE);
    EXPECT_FALSE(pending(a, console));
    EXPECT_TRUE(a.events->bind_virq(VIRQ_CONSOLE, 0));
}

TEST_F(BindingTest, GlobalVirqsGoToTheirHandlerUntilItDies)
{
    Domain& helper = domain();
    Domain& bystander = domain();
    EvtchnPort const port = helper.events->bind_virq(VIRQ_CON_RING, 0).value();
    EvtchnPort const other = bystander.events->bind_virq(VIRQ_CON_RING, 0).value();
    EXPECT_EQ(set_virq_handler(VIRQ_TIMER, helper).error(), Errno::Inval);
    EXPECT_EQ(set_virq_handler(NR_VIRQS, helper).error(), Errno::Inval);
    EXPECT_TRUE(set_virq_handler(VIRQ_CON_RING, helper));
    raise_global_virq(VIRQ_CON_RING);
    EXPECT_TRUE(pending(helper, port));
    EXPECT_FALSE(pending(bystander, other));
    end(helper);
    raise_global_virq(VIRQ_CON_RING); // to the control domain, of which there is none here
    EXPECT_FALSE(pending(bystander, other));
}

TEST_F(BindingTest, IpisAndVcpuVirqsDoNotMove)
{
    Domain& a = domain(2);
    EvtchnPort const ipi = a.events->bind_ipi(1).value();
    EvtchnPort const timer = a.events->bind_virq(VIRQ_TIMER, 0).value();
    EXPECT_EQ(a.events->bind_vcpu(ipi, 0).error(), Errno::Inval);
    EXPECT_EQ(a.events->bind_vcpu(timer, 1).error(), Errno::Inval);
    EXPECT_EQ(a.events->bind_ipi(2).error(), Errno::NoEnt);
    EvtchnPort const plain = a.events->alloc_unbound(DomainId{0}).value();
    EXPECT_EQ(a.events->bind_vcpu(plain, 7).error(), Errno::NoEnt);
    EXPECT_TRUE(a.events->bind_vcpu(plain, 1));
    EXPECT_EQ(status(a, plain).vcpu, 1u);
}

TEST_F(BindingTest, StatusOfPortsNeverUsedIsClosedUpToTheLimit)
{
    Domain& a = domain();
    EXPECT_EQ(status(a, EvtchnPort{1000}).status, std::uint32_t{EVTCHNSTAT_closed});
    abi::evtchn_status out{};
    EXPECT_EQ(a.events->status(EvtchnPort{1024}, out).error(), Errno::Inval);
}

TEST_F(BindingTest, ResetClosesEverythingInSteps)
{
    Domain& a = domain();
    Domain& b = domain();
    EvtchnPort const at_a = a.events->alloc_unbound(b.id()).value();
    ASSERT_TRUE(b.events->bind_interdomain(a, at_a));
    for (int count = 0; count < 300; ++count)
        ASSERT_TRUE(a.events->alloc_unbound(DomainId{0}));
    int restarts = 0;
    for (;; ++restarts)
    {
        std::int32_t budget = 200;
        auto const done = a.events->reset(budget);
        if (done)
            break;
        ASSERT_EQ(done.error(), Errno::Restart);
    }
    EXPECT_GT(restarts, 3);
    EXPECT_EQ(a.events->active_ports(), 0u);
    EXPECT_EQ(status(b, EvtchnPort{1}).status, std::uint32_t{EVTCHNSTAT_unbound});
}

TEST_F(BindingTest, DeathOfOneEndLeavesTheOtherUnbound)
{
    Domain& a = domain();
    Domain& b = domain();
    EvtchnPort const at_a = a.events->alloc_unbound(b.id()).value();
    ASSERT_TRUE(b.events->bind_interdomain(a, at_a));
    end(b);
    EXPECT_EQ(status(a, at_a).status, std::uint32_t{EVTCHNSTAT_unbound});
    EXPECT_TRUE(a.events->send(at_a));
}

TEST_F(BindingTest, PirqsGoThroughTheHooks)
{
    static std::uint32_t bound_pirq = 0;
    static EvtchnPort bound_port{};
    Domain& a = domain();
    set_pirq_hooks({.bind = [](Domain&, std::uint32_t pirq, EvtchnPort port, bool) -> Result<void> {
                        if (pirq == 99)
                            return Errno::Busy;
                        bound_pirq = pirq;
                        bound_port = port;
                        return {};
                    },
                    .unbind = [](Domain&, std::uint32_t, EvtchnPort) { bound_pirq = 0; }});
    EvtchnPort const port = a.events->bind_pirq(17, true).value();
    EXPECT_EQ(bound_pirq, 17u);
    EXPECT_EQ(bound_port, port);
    send_pirq(a, port);
    EXPECT_TRUE(pending(a, port));
    EXPECT_EQ(a.events->bind_pirq(99, true).error(), Errno::Busy);
    EXPECT_EQ(status(a, port + 1).status, std::uint32_t{EVTCHNSTAT_closed});
    EXPECT_TRUE(a.events->close(port));
    EXPECT_EQ(bound_pirq, 0u);
    set_pirq_hooks({});
}

TEST_F(BindingTest, DeathInTheMiddleOfAResetClosesPortsBoundSince)
{
    // The reset has closed the first ports when the guest binds them again and is destroyed. Teardown once went on where
    // the reset had stopped, and took ports for closed that were not.
    Domain& guest = domain();
    for (unsigned i = 0; i < 100; ++i)
        ASSERT_TRUE(guest.events->alloc_unbound(DomainId{0}));
    std::int32_t budget = 320;
    ASSERT_EQ(guest.events->reset(budget).error(), Errno::Restart);
    ASSERT_LT(guest.events->active_ports(), 100u);
    EvtchnPort const again = guest.events->alloc_unbound(DomainId{0}).value();
    ASSERT_LT(again.raw(), 30u) << "a port that the reset has passed";
    std::int32_t rest = 0;
    unsigned rounds = 0;
    do
        rest = 320;
    while (!events_relinquish(guest, rest) && ++rounds < 1000);
    EXPECT_LT(rounds, 1000u);
    EXPECT_EQ(guest.events->active_ports(), 0u);
}

} // namespace
} // namespace hv
