// SPDX-License-Identifier: MIT
// Interrupts of controllers' lines: mapping, sharing, masking, ends of interrupt, the end of domains.
#include "fake_devices.hpp"
#include "machine_test.hpp"

#include <core/evtchn/event_channels.hpp>

namespace hv
{
namespace
{

// Lines are made once for the life of the machine, so all tests share one set of devices.
test::FakeDevices& devices()
{
    static test::FakeDevices made;
    return made;
}

class PirqTest : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        set_device_machine(&devices());
        pirqs_start();
    }
    void TearDown() override
    {
        devices().asserted.clear();
        MachineTest::TearDown();
        EXPECT_TRUE(devices().open.empty()) << "a line is open that nobody listens to";
        set_pirq_hooks({});
        set_device_machine(nullptr);
    }
    static bool take_event(Domain& domain, EvtchnPort port)
    {
        auto& word = domain.shared_info->evtchn_pending[port.raw() / 64];
        bool const was = (word >> (port.raw() % 64) & 1) != 0;
        word &= ~(1ull << (port.raw() % 64));
        return was;
    }
    static EvtchnPort map_and_bind(Domain& domain, std::uint32_t gsi, bool share = true)
    {
        std::uint32_t const pirq = map_gsi_pirq(domain, Irq{gsi}, static_cast<std::int32_t>(gsi)).value();
        return domain.events->bind_pirq(pirq, share).value();
    }
};

TEST_F(PirqTest, GsisGetTheNumberAskedForAndTwiceTheSame)
{
    Domain& guest = domain();
    EXPECT_EQ(map_gsi_pirq(guest, Irq{9}, 9).value(), 9u);
    EXPECT_EQ(map_gsi_pirq(guest, Irq{9}, 9).value(), 9u);
    EXPECT_EQ(map_gsi_pirq(guest, Irq{10}, -1).value(), 10u);
    EXPECT_EQ(map_gsi_pirq(guest, Irq{11}, 9).error(), Errno::Exist);
    EXPECT_EQ(map_gsi_pirq(guest, Irq{test::FakeDevices::kGsis}, -1).error(), Errno::Inval);
    EXPECT_EQ(map_gsi_pirq(guest, Irq{12}, 1 << 20).error(), Errno::Inval);
}

TEST_F(PirqTest, WhatIsNotMappedCannotBeBoundNorEnded)
{
    Domain& guest = domain();
    EXPECT_EQ(guest.events->bind_pirq(9, true).error(), Errno::Inval);
    EXPECT_EQ(end_of_interrupt(guest, 9).error(), Errno::Inval);
    EXPECT_EQ(interrupt_status(guest, 9).error(), Errno::Inval);
    EXPECT_EQ(unmap_pirq(guest, 9).error(), Errno::Inval);
    (void)map_gsi_pirq(guest, Irq{9}, 9).value();
    EXPECT_EQ(guest.events->bind_pirq(~0u, true).error(), Errno::Inval);
    EXPECT_EQ(end_of_interrupt(guest, ~0u).error(), Errno::Inval);
}

TEST_F(PirqTest, EdgeLinesAreOpenWhileBoundAndNeedNoEnd)
{
    Domain& guest = domain();
    EvtchnPort const port = map_and_bind(guest, 8);
    EXPECT_EQ(interrupt_status(guest, 8).value(), 0u);
    EXPECT_TRUE(devices().fire(8));
    EXPECT_TRUE(take_event(guest, port));
    EXPECT_TRUE(devices().fire(8)) << "no end was due";
    EXPECT_TRUE(guest.events->close(port));
    EXPECT_FALSE(devices().fire(8));
}

TEST_F(PirqTest, LevelLinesStayMaskedUntilTheEnd)
{
    Domain& guest = domain();
    EvtchnPort const port = map_and_bind(guest, 20);
    EXPECT_EQ(interrupt_status(guest, 20).value(), std::uint32_t{XENIRQSTAT_needs_eoi});
    devices().assert_line(20);
    EXPECT_TRUE(take_event(guest, port));
    EXPECT_EQ(devices().settle_lines(), 0u) << "masked";
    EXPECT_TRUE(end_of_interrupt(guest, 20));
    EXPECT_EQ(devices().settle_lines(), 1u) << "still asserted: comes again";
    EXPECT_TRUE(take_event(guest, port));
    devices().calm_line(20);
    EXPECT_TRUE(end_of_interrupt(guest, 20));
    EXPECT_TRUE(devices().open.contains(20));
    EXPECT_TRUE(end_of_interrupt(guest, 20)) << "an end that nobody owes is harmless";
}

TEST_F(PirqTest, ALineThatIsNotServedSpeaksAgainAfterTheLimit)
{
    Domain& guest = domain();
    EvtchnPort const port = map_and_bind(guest, 21);
    host::use_cpu(0);
    devices().assert_line(21);
    host::use_cpu(host::kToolCpu);
    EXPECT_TRUE(take_event(guest, port));
    host::run_for(kEndOfInterruptLimit / 2);
    EXPECT_FALSE(devices().open.contains(21));
    host::run_for(kEndOfInterruptLimit);
    EXPECT_TRUE(devices().open.contains(21));
    EXPECT_EQ(devices().settle_lines(), 1u);
    EXPECT_TRUE(take_event(guest, port));
}

TEST_F(PirqTest, SharersAllHearItAndTheLastEndUnmasks)
{
    Domain& a = domain();
    Domain& b = domain();
    EvtchnPort const at_a = map_and_bind(a, 22);
    EvtchnPort const at_b = map_and_bind(b, 22);
    EXPECT_EQ(interrupt_status(a, 22).value(), std::uint32_t{XENIRQSTAT_needs_eoi | XENIRQSTAT_shared});
    devices().assert_line(22);
    EXPECT_TRUE(take_event(a, at_a));
    EXPECT_TRUE(take_event(b, at_b));
    EXPECT_TRUE(end_of_interrupt(a, 22));
    EXPECT_FALSE(devices().open.contains(22));
    EXPECT_TRUE(end_of_interrupt(a, 22)) << "twice is not for two";
    EXPECT_FALSE(devices().open.contains(22));
    EXPECT_TRUE(end_of_interrupt(b, 22));
    EXPECT_TRUE(devices().open.contains(22));
}

TEST_F(PirqTest, WhoDoesNotShareIsAlone)
{
    Domain& a = domain();
    Domain& b = domain();
    EvtchnPort const at_a = map_and_bind(a, 23, false);
    (void)map_gsi_pirq(b, Irq{23}, 23).value();
    EXPECT_EQ(b.events->bind_pirq(23, true).error(), Errno::Busy);
    EXPECT_EQ(a.events->bind_pirq(23, true).error(), Errno::Exist);
    EXPECT_TRUE(a.events->close(at_a));
    EXPECT_TRUE(b.events->bind_pirq(23, true));
}

TEST_F(PirqTest, TheDeathOfASharerThatOwesAnEndFreesTheLine)
{
    Domain& a = domain();
    Domain& b = domain();
    EvtchnPort const at_a = map_and_bind(a, 22);
    (void)map_and_bind(b, 22);
    devices().assert_line(22);
    EXPECT_TRUE(take_event(a, at_a));
    EXPECT_TRUE(end_of_interrupt(a, 22));
    EXPECT_FALSE(devices().open.contains(22));
    end(b);
    EXPECT_TRUE(devices().open.contains(22));
    EXPECT_EQ(devices().settle_lines(), 1u);
    EXPECT_TRUE(take_event(a, at_a));
}

TEST_F(PirqTest, UnmappingABoundOneSilencesItsPort)
{
    Domain& guest = domain();
    EvtchnPort const old_port = map_and_bind(guest, 20);
    EXPECT_TRUE(unmap_pirq(guest, 20));
    EXPECT_FALSE(devices().open.contains(20));
    EvtchnPort const new_port = map_and_bind(guest, 20);
    EXPECT_TRUE(guest.events->close(old_port)) << "must not unbind the new one";
    devices().assert_line(20);
    EXPECT_TRUE(take_event(guest, new_port));
    EXPECT_FALSE(take_event(guest, old_port));
}

TEST_F(PirqTest, TheHypervisorsOwnLineCanBeMappedButNotBound)
{
    Domain& guest = domain();
    EXPECT_EQ(map_gsi_pirq(guest, Irq{test::FakeDevices::kOurs}, 4).value(), 4u);
    EXPECT_EQ(guest.events->bind_pirq(4, true).error(), Errno::Busy);
    EXPECT_EQ(setup_gsi(Irq{4}, {Trigger::Level, Polarity::Low}).error(), Errno::Busy);
    EXPECT_FALSE(devices().gsi_lines.contains(4));
}

TEST_F(PirqTest, ModesChangeOnlyWhileNobodyListens)
{
    Domain& guest = domain();
    EvtchnPort const port = map_and_bind(guest, 5);
    LineMode const level{Trigger::Level, Polarity::Low};
    EXPECT_EQ(setup_gsi(Irq{5}, level).error(), Errno::Busy);
    EXPECT_TRUE(setup_gsi(Irq{5}, {Trigger::Edge, Polarity::High})) << "no change";
    EXPECT_TRUE(guest.events->close(port));
    EXPECT_TRUE(setup_gsi(Irq{5}, level));
    EXPECT_EQ(devices().modes.at(5), level);
    EXPECT_EQ(interrupt_status(guest, 5).value(), std::uint32_t{XENIRQSTAT_needs_eoi});
    EXPECT_TRUE(setup_gsi(Irq{5}, {Trigger::Edge, Polarity::High}));
    EXPECT_EQ(setup_gsi(Irq{999}, level).error(), Errno::Inval);
}

TEST_F(PirqTest, TheEoiPageFollowsMappingsAndModes)
{
    Domain& guest = domain();
    Mfn const frame = host::guest_page(guest);
    auto const* const bits = reinterpret_cast<std::uint64_t const*>(port::frame_data(frame));
    EXPECT_EQ(register_eoi_page(guest, guest.expose(frame), false).error(), Errno::Perm) << "no interrupt is its own";
    (void)map_gsi_pirq(guest, Irq{20}, 20).value();
    EXPECT_TRUE(register_eoi_page(guest, guest.expose(frame), false));
    EXPECT_EQ(register_eoi_page(guest, guest.expose(frame), false).error(), Errno::Busy);
    EXPECT_EQ(*bits, 1ull << 20);
    (void)map_gsi_pirq(guest, Irq{6}, 6).value();
    EXPECT_EQ(*bits, 1ull << 20) << "edge";
    EXPECT_TRUE(setup_gsi(Irq{6}, {Trigger::Level, Polarity::Low}));
    EXPECT_EQ(*bits, 1ull << 20 | 1ull << 6);
    EXPECT_TRUE(setup_gsi(Irq{6}, {Trigger::Edge, Polarity::High}));
    EXPECT_TRUE(unmap_pirq(guest, 20));
    EXPECT_EQ(*bits, 0ull);
}

TEST_F(PirqTest, TheOldEoiPageAlsoUnmasksThePort)
{
    Domain& guest = domain();
    EvtchnPort const port = map_and_bind(guest, 20);
    Mfn const frame = host::guest_page(guest);
    EXPECT_TRUE(register_eoi_page(guest, guest.expose(frame), true));
    guest.shared_info->evtchn_mask[0] |= 1ull << port.raw();
    EXPECT_TRUE(end_of_interrupt(guest, 20));
    EXPECT_EQ(guest.shared_info->evtchn_mask[0] >> port.raw() & 1, 0ull);
}

TEST_F(PirqTest, ReservedNumbersAreNotGivenOutAgain)
{
    Domain& guest = domain();
    std::uint32_t const first = reserve_pirq(guest).value();
    std::uint32_t const second = reserve_pirq(guest).value();
    EXPECT_NE(first, second);
    EXPECT_GE(first, test::FakeDevices::kGsis);
    EXPECT_EQ(guest.events->bind_pirq(first, true).error(), Errno::Inval) << "no line yet";
    EXPECT_EQ(map_gsi_pirq(guest, Irq{7}, static_cast<std::int32_t>(first)).value(), first);
    EXPECT_TRUE(unmap_pirq(guest, second));
    EXPECT_EQ(reserve_pirq(guest).value(), second);
}

TEST_F(PirqTest, NothingIsMappedIntoADyingDomain)
{
    Domain& guest = domain();
    store_release(guest.life, Life::Dying);
    EXPECT_EQ(map_gsi_pirq(guest, Irq{9}, 9).error(), Errno::Srch);
    store_release(guest.life, Life::Building);
}

} // namespace
} // namespace hv
