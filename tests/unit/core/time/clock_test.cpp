// SPDX-License-Identifier: MIT
// Guests' clocks: pvclock, wall clock, and the areas in guest memory.
#include "machine_test.hpp"

#include <core/time/clock.hpp>
#include <core/time/watchdog.hpp>

namespace hv
{
namespace
{

class ClockTest : public host::MachineTest
{
protected:
    // What a guest computes from its vcpu_info (public header xen.h).
    static std::uint64_t guest_time(abi::vcpu_time_info const& time)
    {
        std::uint64_t const delta = (port::tsc() - time.tsc_timestamp) << time.tsc_shift;
        return time.system_time +
               static_cast<std::uint64_t>((static_cast<unsigned __int128>(delta) * time.tsc_to_system_mul) >> 32);
    }
    // Registered by the vCPU itself, as its guest does it.
    static Result<void> register_area(Vcpu& vcpu, Result<void> (*how)(Vcpu&, GuestVirtual), std::uint64_t area)
    {
        host::use_cpu(vcpu.sched.cpu.raw());
        Result<void> const registered = how(vcpu, GuestVirtual{area});
        host::use_cpu(host::kToolCpu);
        return registered;
    }
    static void switch_in_again(Domain& guest)
    {
        domain_unpause(guest);
        host::settle();
    }
};

TEST_F(ClockTest, StableTimeIsTheSameOnAllVcpusForEver)
{
    Domain& guest = running_domain(2);
    auto const& first = guest.vcpus[0]->info->time;
    auto const& second = guest.vcpus[1]->info->time;
    for (int step = 0; step < 5; ++step)
    {
        EXPECT_EQ(guest_time(first), host::now());
        EXPECT_EQ(guest_time(second), guest_time(first));
        host::run_for(1'234'567'891);
    }
    EXPECT_EQ(first.version % 2, 0u);
    EXPECT_EQ(first.flags, XEN_PVCLOCK_TSC_STABLE_BIT);
}

TEST_F(ClockTest, UnstableTimeIsRefreshedAtEverySwitch)
{
    host::set_stable_tsc(false);
    Domain& guest = running_domain(1);
    auto const& time = guest.vcpus[0]->info->time;
    std::uint32_t const version = time.version;
    EXPECT_EQ(time.flags, 0);
    domain_pause(guest);
    host::advance(5000);
    switch_in_again(guest);
    EXPECT_EQ(time.version, version + 2);
    EXPECT_EQ(time.system_time, host::now());
    EXPECT_EQ(guest_time(time), host::now());
}

TEST_F(ClockTest, WallClockReachesDomainsWhenTheyNextRun)
{
    Domain& guest = running_domain(1);
    std::uint32_t const version = guest.shared_info->wc_version;
    wallclock_set(1'700'000'000, 250'000'000, Nanoseconds{host::now()});
    domain_pause(guest);
    switch_in_again(guest);
    EXPECT_EQ(guest.shared_info->wc_version, version + 2);
    std::uint64_t const at_boot =
        (std::uint64_t{guest.shared_info->wc_sec_hi} << 32 | guest.shared_info->wc_sec) * 1'000'000'000 +
        guest.shared_info->wc_nsec;
    EXPECT_EQ(at_boot + host::now(), 1'700'000'000'250'000'000u);
    EXPECT_EQ(wallclock_seconds(), 1'700'000'000u);
}

TEST_F(ClockTest, RunstateAreaFollowsTheVcpu)
{
    Domain& guest = running_domain(1);
    auto* const area = host::guest_new<abi::vcpu_runstate_info>();
    ASSERT_TRUE(register_area(*guest.vcpus[0], &vcpu_register_runstate_area, host::guest_address(area)));
    EXPECT_EQ(area->state, RUNSTATE_running);
    guest.vm_assist |= 1u << VMASST_TYPE_runstate_update_flag;
    host::run_for(1000);
    domain_pause(guest);
    EXPECT_EQ(area->state, RUNSTATE_offline) << "the state it is left in is written while it can be";
    EXPECT_EQ(area->state_entry_time & XEN_RUNSTATE_UPDATE, 0u);
    host::advance(5000);
    switch_in_again(guest);
    EXPECT_EQ(area->state, RUNSTATE_running);
    EXPECT_GE(area->time[RUNSTATE_offline], 5000u);
}

TEST_F(ClockTest, AreasAreWrittenInUserModeToo)
{
    // A vCPU is mostly preempted in user mode, where its kernel's memory is not mapped: the areas stayed as they were.
    host::set_stable_tsc(false); // so that the clock is written at every switch
    Domain& guest = running_domain(1);
    Vcpu& vcpu = *guest.vcpus[0];
    auto* const states = host::guest_new<abi::vcpu_runstate_info>();
    auto* const clock = host::guest_new<abi::vcpu_time_info>();
    ASSERT_TRUE(register_area(vcpu, &vcpu_register_runstate_area, host::guest_address(states)));
    ASSERT_TRUE(register_area(vcpu, &vcpu_register_time_area, host::guest_address(clock)));
    vcpu.pv.in_kernel = false;
    domain_pause(guest);
    EXPECT_EQ(states->state, RUNSTATE_offline);
    host::advance(5000);
    switch_in_again(guest);
    EXPECT_EQ(states->state, RUNSTATE_running);
    EXPECT_EQ(clock->system_time, host::now());
    host::use_cpu(vcpu.sched.cpu.raw());
    EXPECT_FALSE(port::copy_to_guest(GuestVirtual{host::guest_address(clock)}, clock, 4)) << "hidden again";
    host::use_cpu(host::kToolCpu);
    vcpu.pv.in_kernel = true;
}

TEST_F(ClockTest, AreaThatFaultsIsAnErrorAtRegistrationAndHarmlessLater)
{
    Domain& guest = running_domain(1);
    Vcpu& vcpu = *guest.vcpus[0];
    EXPECT_EQ(register_area(vcpu, &vcpu_register_runstate_area, 0x1000).error(), Errno::Fault);
    domain_pause(guest);
    switch_in_again(guest);
    EXPECT_TRUE(vcpu.sched.running);
}

TEST_F(ClockTest, TimeAreaCarriesTheSameClock)
{
    Domain& guest = running_domain(1);
    auto* const area = host::guest_new<abi::vcpu_time_info>();
    ASSERT_TRUE(register_area(*guest.vcpus[0], &vcpu_register_time_area, host::guest_address(area)));
    EXPECT_EQ(area->version % 2, 0u);
    EXPECT_EQ(guest_time(*area), host::now());
}

TEST_F(ClockTest, WatchdogShutsTheDomainDownUnlessItIsFed)
{
    Domain& guest = running_domain(1);
    EXPECT_EQ(watchdog_control(guest, 0, 0).error(), Errno::Inval);
    EXPECT_EQ(watchdog_control(guest, 1, 5).error(), Errno::Inval) << "not in use";
    EXPECT_EQ(watchdog_control(guest, 0, 2).value(), 1);
    EXPECT_EQ(watchdog_control(guest, 0, 2).value(), 2);
    EXPECT_EQ(watchdog_control(guest, 0, 2).error(), Errno::NoSpc);
    EXPECT_EQ(watchdog_control(guest, 2, 0).value(), 0);
    host::run_for(1'500'000'000);
    EXPECT_EQ(watchdog_control(guest, 1, 2).value(), 0);
    host::run_for(1'500'000'000);
    EXPECT_FALSE(guest.shutting_down);
    host::run_for(1'000'000'000);
    EXPECT_TRUE(guest.shut_down);
    EXPECT_EQ(guest.shutdown_code, std::uint32_t{SHUTDOWN_watchdog});
}

} // namespace
} // namespace hv
