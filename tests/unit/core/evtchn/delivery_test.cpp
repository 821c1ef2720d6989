// SPDX-License-Identifier: MIT
// How events arrive: the 2-level bitmaps, masks, polling, vcpu_info.
#include "machine_test.hpp"

#include <core/evtchn/event_channels.hpp>
#include <core/time/clock.hpp>

#include <array>

namespace hv
{
namespace
{

class DeliveryTest : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        guest_ = &running_domain(2);
        port_ = guest_->events->bind_ipi(0).value();
    }

    abi::vcpu_info& info(unsigned vcpu = 0) { return *guest_->vcpus[vcpu]->info; }
    [[nodiscard]] bool pending(EvtchnPort port) const
    {
        return (guest_->shared_info->evtchn_pending[0] >> port.raw() & 1) != 0;
    }
    void mask(EvtchnPort port) { guest_->shared_info->evtchn_mask[0] |= 1ull << port.raw(); }
    void handle() // as a guest does: all events seen and cleared
    {
        info().evtchn_upcall_pending = 0;
        info().evtchn_pending_sel = 0;
        guest_->shared_info->evtchn_pending[0] = 0;
    }
    void act_as(unsigned vcpu) { host::use_cpu(guest_->vcpus[vcpu]->sched.cpu.raw()); }

    Domain* guest_ = nullptr;
    EvtchnPort port_{};
};

TEST_F(DeliveryTest, SendSetsPendingSelectorAndUpcall)
{
    EXPECT_TRUE(guest_->events->send(port_));
    EXPECT_TRUE(pending(port_));
    EXPECT_EQ(info().evtchn_pending_sel, 1u);
    EXPECT_EQ(info().evtchn_upcall_pending, 1);
    EXPECT_EQ(info(1).evtchn_upcall_pending, 0);
    EXPECT_FALSE(event_pending(*guest_->vcpus[0])) << "upcalls are masked at the start";
    info().evtchn_upcall_mask = 0;
    EXPECT_TRUE(event_pending(*guest_->vcpus[0]));
}

TEST_F(DeliveryTest, MaskedPortIsPendingWithoutUpcallUntilUnmasked)
{
    mask(port_);
    EXPECT_TRUE(guest_->events->send(port_));
    EXPECT_TRUE(pending(port_));
    EXPECT_EQ(info().evtchn_upcall_pending, 0);
    EXPECT_TRUE(guest_->events->unmask(port_));
    EXPECT_EQ(info().evtchn_upcall_pending, 1);
    EXPECT_EQ(info().evtchn_pending_sel, 1u);
}

TEST_F(DeliveryTest, UnmaskWithoutEventIsSilent)
{
    mask(port_);
    EXPECT_TRUE(guest_->events->unmask(port_));
    EXPECT_EQ(info().evtchn_upcall_pending, 0);
    EXPECT_TRUE(guest_->events->unmask(EvtchnPort{500})) << "a port never used";
    EXPECT_EQ(guest_->events->unmask(EvtchnPort{4096}).error(), Errno::Inval);
}

TEST_F(DeliveryTest, SecondSendOfAPendingEventDoesNothing)
{
    EXPECT_TRUE(guest_->events->send(port_));
    info().evtchn_upcall_pending = 0;
    EXPECT_TRUE(guest_->events->send(port_));
    EXPECT_EQ(info().evtchn_upcall_pending, 0);
}

TEST_F(DeliveryTest, EventsFollowTheVcpuTheyAreBoundTo)
{
    Domain& other = domain();
    EvtchnPort const far = other.events->alloc_unbound(guest_->id()).value();
    EvtchnPort const near = guest_->events->bind_interdomain(other, far).value();
    handle();
    EXPECT_TRUE(guest_->events->bind_vcpu(near, 1));
    EXPECT_TRUE(other.events->send(far));
    EXPECT_EQ(info(0).evtchn_upcall_pending, 0);
    EXPECT_EQ(info(1).evtchn_upcall_pending, 1);
}

TEST_F(DeliveryTest, TimerVirqFiresAtItsTimeAndInThePastAtOnce)
{
    Vcpu& vcpu = *guest_->vcpus[0];
    EvtchnPort const timer = guest_->events->bind_virq(VIRQ_TIMER, 0).value();
    act_as(0);
    vcpu_set_singleshot(vcpu, host::now() + 5000);
    host::use_cpu(host::kToolCpu);
    host::run_for(4000);
    EXPECT_FALSE(pending(timer));
    host::run_for(2000);
    EXPECT_TRUE(pending(timer));
    handle();
    vcpu_set_singleshot(vcpu, host::now() - 1);
    EXPECT_TRUE(pending(timer));
    handle();
    vcpu_set_singleshot(vcpu, ~0ull); // absurd: an early interrupt instead of none
    EXPECT_FALSE(pending(timer));
    host::run_for(200'000'000);
    EXPECT_TRUE(pending(timer));
}

TEST_F(DeliveryTest, PeriodicTimerTicksUntilItIsStopped)
{
    Vcpu& vcpu = *guest_->vcpus[0];
    EvtchnPort const timer = guest_->events->bind_virq(VIRQ_TIMER, 0).value();
    vcpu_set_periodic(vcpu, 10'000'000);
    for (int tick = 0; tick < 5; ++tick)
    {
        host::run_for(10'000'000);
        EXPECT_TRUE(pending(timer)) << tick;
        handle();
    }
    vcpu_set_periodic(vcpu, 0);
    host::run_for(50'000'000);
    EXPECT_FALSE(pending(timer));
}

TEST_F(DeliveryTest, PollWaitsForAMaskedPort)
{
    Vcpu& vcpu = *guest_->vcpus[0];
    mask(port_);
    act_as(0);
    std::array<std::uint32_t, 1> const ports{port_.raw()};
    EXPECT_TRUE(vcpu_poll(vcpu, ports, 0));
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_FALSE(vcpu.sched.running);
    EXPECT_TRUE(guest_->events->send(port_));
    host::settle();
    EXPECT_TRUE(vcpu.sched.running);
    EXPECT_EQ(info().evtchn_upcall_pending, 0);
}

TEST_F(DeliveryTest, PollForOnePortIgnoresOthersThatAreMasked)
{
    Vcpu& vcpu = *guest_->vcpus[0];
    EvtchnPort const other = guest_->events->bind_ipi(0).value();
    mask(port_);
    mask(other);
    act_as(0);
    std::array<std::uint32_t, 1> const ports{port_.raw()};
    EXPECT_TRUE(vcpu_poll(vcpu, ports, 0));
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_TRUE(guest_->events->send(other));
    host::settle();
    EXPECT_FALSE(vcpu.sched.running);
    EXPECT_TRUE(guest_->events->send(port_));
    host::settle();
    EXPECT_TRUE(vcpu.sched.running);
}

TEST_F(DeliveryTest, PollReturnsAtOnceWhenThePortIsPending)
{
    Vcpu& vcpu = *guest_->vcpus[0];
    mask(port_);
    EXPECT_TRUE(guest_->events->send(port_));
    act_as(0);
    std::array<std::uint32_t, 1> const ports{port_.raw()};
    EXPECT_TRUE(vcpu_poll(vcpu, ports, 0));
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_TRUE(vcpu.sched.running);
}

TEST_F(DeliveryTest, PollTimesOutAndALaterBlockIsNotDisturbed)
{
    Vcpu& vcpu = *guest_->vcpus[0];
    mask(port_);
    act_as(0);
    std::array<std::uint32_t, 1> const ports{port_.raw()};
    EXPECT_TRUE(vcpu_poll(vcpu, ports, host::now() + 1'000'000));
    host::use_cpu(host::kToolCpu);
    host::run_for(500'000);
    EXPECT_FALSE(vcpu.sched.running);
    host::run_for(600'000);
    EXPECT_TRUE(vcpu.sched.running);
    act_as(0);
    EXPECT_TRUE(vcpu_poll(vcpu, ports, host::now() - 1)) << "a time that has passed";
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_TRUE(vcpu.sched.running);
}

TEST_F(DeliveryTest, PollRefusesPortsThatAreNotInUse)
{
    Vcpu& vcpu = *guest_->vcpus[0];
    act_as(0);
    for (std::uint32_t const bad : {0u, 77u, 4096u, ~0u})
    {
        std::array<std::uint32_t, 2> const ports{port_.raw(), bad};
        EXPECT_EQ(vcpu_poll(vcpu, ports, 0).error(), Errno::Inval) << bad;
    }
    host::use_cpu(host::kToolCpu);
}

TEST_F(DeliveryTest, RegisteringVcpuInfoKeepsEventsAndAsksForAScan)
{
    Vcpu& vcpu = *guest_->vcpus[0];
    info().evtchn_upcall_mask = 1;
    info().arch.cr2 = 0x1234;
    Mfn const page = host::guest_page(*guest_);
    EXPECT_EQ(register_vcpu_info(vcpu, guest_->expose(page), kPageSize - 63).error(), Errno::NxIo);
    EXPECT_EQ(register_vcpu_info(vcpu, guest_->expose(page), 100).error(), Errno::NxIo);
    EXPECT_EQ(register_vcpu_info(vcpu, GuestFrame{host::kFrames}, 64).error(), Errno::Inval);
    EXPECT_TRUE(register_vcpu_info(vcpu, guest_->expose(page), 128));
    EXPECT_EQ(reinterpret_cast<std::byte*>(vcpu.info), port::frame_data(page) + 128);
    EXPECT_EQ(vcpu.info->arch.cr2, 0x1234u);
    EXPECT_EQ(vcpu.info->evtchn_pending_sel, ~0ull);
    EXPECT_EQ(vcpu.info->evtchn_upcall_pending, 1);
    EXPECT_EQ(vcpu.info->evtchn_upcall_mask, 1);
    EXPECT_EQ(register_vcpu_info(vcpu, guest_->expose(page), 128).error(), Errno::Inval) << "once only";
    vcpu.info->evtchn_pending_sel = 0;
    vcpu.info->evtchn_upcall_pending = 0;
    EXPECT_TRUE(guest_->events->send(port_));
    EXPECT_EQ(vcpu.info->evtchn_pending_sel, 1u) << "events go to the new place";
}

} // namespace
} // namespace hv
