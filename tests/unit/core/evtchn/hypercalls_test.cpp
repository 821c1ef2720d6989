// SPDX-License-Identifier: MIT
// sched_op, vcpu_op, event_channel_op, set_timer_op and grant_table_op as a guest makes them: numbers, structures, errors.
#include "hypercall.hpp"
#include "machine_test.hpp"

#include <core/evtchn/event_channels.hpp>
#include <core/grant/grant_table.hpp>

namespace hv
{
namespace
{

constexpr int kInval = -22;
constexpr int kNoEnt = -2;
constexpr int kFault = -14;
constexpr int kPerm = -1;
constexpr int kNoSys = -38;
constexpr int kSrch = -3;
constexpr int kRestart = -85;

class GuestCallTest : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        guest_ = &running_domain(2);
        act_as(*guest_->vcpus[0]);
    }

    void act_as(Vcpu& vcpu)
    {
        caller_ = &vcpu;
        host::use_cpu(vcpu.sched.cpu.raw());
    }

    std::int64_t call(std::uint64_t number, std::uint64_t a = 0, std::uint64_t b = 0, std::uint64_t c = 0)
    {
        args_ = HypercallArgs{{a, b, c, 0, 0, 0}};
        CallResult const result = dispatch_hypercall(*caller_, number, args_);
        return result ? *result : -static_cast<std::int64_t>(result.error());
    }

    template<typename T>
    std::int64_t event_op(unsigned operation, T* args)
    {
        return call(__HYPERVISOR_event_channel_op, operation, host::guest_address(args));
    }

    Domain* guest_ = nullptr;
    Vcpu* caller_ = nullptr;
    HypercallArgs args_{};
};

TEST_F(GuestCallTest, EventChannelsEndToEnd)
{
    Domain& peer = running_domain(1);
    auto* const unbound =
        host::guest_new<abi::evtchn_alloc_unbound>({.dom = DOMID_SELF, .remote_dom = peer.id().raw(), .port = 0});
    EXPECT_EQ(event_op(EVTCHNOP_alloc_unbound, unbound), 0);
    EXPECT_EQ(unbound->port, 1u);
    act_as(*peer.vcpus[0]);
    auto* const bind = host::guest_new<abi::evtchn_bind_interdomain>(
        {.remote_dom = guest_->id().raw(), .remote_port = unbound->port, .local_port = 0});
    EXPECT_EQ(event_op(EVTCHNOP_bind_interdomain, bind), 0);
    auto* const send = host::guest_new<abi::evtchn_send>({.port = bind->local_port});
    EXPECT_EQ(event_op(EVTCHNOP_send, send), 0);
    EXPECT_EQ(guest_->shared_info->evtchn_pending[0], 2u);
    auto* const close = host::guest_new<abi::evtchn_close>({.port = bind->local_port});
    EXPECT_EQ(event_op(EVTCHNOP_close, close), 0);
    EXPECT_EQ(event_op(EVTCHNOP_close, close), kInval);
    EXPECT_EQ(event_op(14, close), kNoSys);
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, 0x1000), kFault);
}

TEST_F(GuestCallTest, OneDomainCannotActForAnother)
{
    Domain& other = running_domain(1);
    auto* const unbound = host::guest_new<abi::evtchn_alloc_unbound>(
        {.dom = other.id().raw(), .remote_dom = guest_->id().raw(), .port = 0});
    EXPECT_EQ(event_op(EVTCHNOP_alloc_unbound, unbound), kPerm);
    unbound->dom = 0x7abc;
    EXPECT_EQ(event_op(EVTCHNOP_alloc_unbound, unbound), kSrch);
    auto* const status = host::guest_new<abi::evtchn_status>();
    status->dom = other.id().raw();
    status->port = 1;
    EXPECT_EQ(event_op(EVTCHNOP_status, status), kPerm);
    auto* const reset = host::guest_new<abi::evtchn_reset>({.dom = other.id().raw()});
    EXPECT_EQ(event_op(EVTCHNOP_reset, reset), kPerm);
    auto* const remote = host::guest_new<abi::sched_remote_shutdown>({.domain_id = other.id().raw(), .reason = 0});
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, host::guest_address(remote)), kPerm);
    guest_->control = true;
    EXPECT_EQ(event_op(EVTCHNOP_alloc_unbound, unbound), kSrch);
    unbound->dom = other.id().raw();
    EXPECT_EQ(event_op(EVTCHNOP_alloc_unbound, unbound), 0);
    guest_->control = false;
}

TEST_F(GuestCallTest, FifoControlReportsItsLinkBits)
{
    auto* const init = host::guest_new<abi::evtchn_init_control>();
    init->control_gfn = guest_->expose(host::guest_page(*guest_)).raw();
    EXPECT_EQ(event_op(EVTCHNOP_init_control, init), 0);
    EXPECT_EQ(init->link_bits, 17);
    EXPECT_EQ(event_op(EVTCHNOP_init_control, init), kInval);
}

TEST_F(GuestCallTest, BlockUnmasksUpcallsAndReturnsZero)
{
    caller_->info->evtchn_upcall_mask = 1;
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_block), 0);
    EXPECT_EQ(caller_->info->evtchn_upcall_mask, 0);
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_FALSE(caller_->sched.running);
}

TEST_F(GuestCallTest, PollChecksItsArguments)
{
    auto* const ports = host::guest_new<std::array<std::uint32_t, 129>>();
    auto* const poll = host::guest_new<abi::sched_poll>();
    poll->ports.p = ports->data();
    poll->nr_ports = 129;
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_poll, host::guest_address(poll)), kInval);
    poll->nr_ports = 1;
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_poll, host::guest_address(poll)), kInval) << "port 0";
    poll->ports.p = reinterpret_cast<std::uint32_t*>(0x1000);
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_poll, host::guest_address(poll)), kFault);
    poll->nr_ports = 0;
    poll->timeout = host::now() + 1000;
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_poll, host::guest_address(poll)), 0);
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_FALSE(caller_->sched.running);
    host::run_for(2000);
    EXPECT_TRUE(caller_->sched.running);
}

TEST_F(GuestCallTest, ShutdownOfTheControlDomainEndsTheMachine)
{
    auto* const shutdown = host::guest_new<abi::sched_shutdown>({.reason = SHUTDOWN_reboot});
    guest_->control = true;
    try
    {
        call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, host::guest_address(shutdown));
        ADD_FAILURE() << "the machine goes on";
    }
    catch (host::MachineShutdown const& end)
    {
        EXPECT_EQ(end.reason, std::uint32_t{SHUTDOWN_reboot});
    }
    guest_->control = false;
    shutdown->reason = 17;
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, host::guest_address(shutdown)), kInval);
    shutdown->reason = SHUTDOWN_suspend;
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, host::guest_address(shutdown)), 0);
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_TRUE(guest_->shut_down);
    EXPECT_EQ(guest_->shutdown_code, std::uint32_t{SHUTDOWN_suspend});
}

TEST_F(GuestCallTest, LatchedShutdownCodeIsReportedLater)
{
    auto* const code = host::guest_new<abi::sched_shutdown>({.reason = SHUTDOWN_watchdog});
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_shutdown_code, host::guest_address(code)), 0);
    EXPECT_FALSE(guest_->shutting_down);
    code->reason = SHUTDOWN_poweroff;
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, host::guest_address(code)), 0);
    EXPECT_EQ(guest_->shutdown_code, std::uint32_t{SHUTDOWN_watchdog});
}

TEST_F(GuestCallTest, VcpusAreCountedByAskingForThem)
{
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 0), 1);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1), 1);
    for (std::uint64_t const none : {2ull, 127ull, 128ull, 8191ull, 1ull << 32, ~0ull})
        EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_is_up, none), kNoEnt) << none;
}

TEST_F(GuestCallTest, VcpuGoesDownAndComesBack)
{
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_down, 1), 0);
    host::settle();
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 1), 0);
    EXPECT_FALSE(guest_->vcpus[1]->sched.running);
    auto* const info = host::guest_new<abi::vcpu_runstate_info>();
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 1, host::guest_address(info)), 0);
    EXPECT_EQ(info->state, RUNSTATE_offline);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_up, 1), 0);
    host::settle();
    EXPECT_TRUE(guest_->vcpus[1]->sched.running);
    guest_->vcpus[1]->initialised = false;
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_up, 1), kInval);
    guest_->vcpus[1]->initialised = true;
}

TEST_F(GuestCallTest, LastVcpuToGoDownEndsTheDomain)
{
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_down, 1), 0);
    EXPECT_FALSE(guest_->shutting_down);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_down, 0), 0);
    EXPECT_TRUE(guest_->shutting_down);
    EXPECT_EQ(guest_->shutdown_code, std::uint32_t{SHUTDOWN_poweroff});
}

TEST_F(GuestCallTest, TimersAreCheckedAndFire)
{
    EvtchnPort const port = guest_->events->bind_virq(VIRQ_TIMER, 0).value();
    auto* const periodic = host::guest_new<abi::vcpu_set_periodic_timer>({.period_ns = 999'999});
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, host::guest_address(periodic)), kInval);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0), 0);
    auto* const single = host::guest_new<abi::vcpu_set_singleshot_timer>();
    single->timeout_abs_ns = host::now() - 5;
    single->flags = VCPU_SSHOTTMR_future;
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, host::guest_address(single)), -62);
    EXPECT_FALSE(guest_->events->pending(port));
    single->flags = 0;
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 1, host::guest_address(single)), kInval);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, host::guest_address(single)), 0);
    EXPECT_TRUE(guest_->events->pending(port));
    guest_->shared_info->evtchn_pending[0] = 0;
    EXPECT_EQ(call(__HYPERVISOR_set_timer_op, host::now() + 1000), 0);
    EXPECT_EQ(call(__HYPERVISOR_set_timer_op, 0), 0);
    host::run_for(5000);
    EXPECT_FALSE(guest_->events->pending(port));
    EXPECT_EQ(call(__HYPERVISOR_set_timer_op, host::now() + 1000), 0);
    host::run_for(5000);
    EXPECT_TRUE(guest_->events->pending(port));
}

TEST_F(GuestCallTest, NmiWakesABlockedVcpu)
{
    Vcpu& target = *guest_->vcpus[1];
    act_as(target);
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_block), 0);
    host::use_cpu(host::kToolCpu);
    host::settle();
    EXPECT_FALSE(target.sched.running);
    act_as(*guest_->vcpus[0]);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 1), 0);
    host::settle();
    EXPECT_TRUE(target.pv.nmi_pending);
    EXPECT_TRUE(target.sched.running);
}

TEST_F(GuestCallTest, GrantTableIsSetUpAndQueried)
{
    auto* const frames = host::guest_new<std::array<std::uint64_t, 4>>();
    auto* const setup = host::guest_new<abi::gnttab_setup_table>();
    setup->dom = DOMID_SELF;
    setup->nr_frames = 4;
    setup->frame_list.p = frames->data();
    auto const op = [&](unsigned operation, void* args, std::uint64_t count) {
        return call(__HYPERVISOR_grant_table_op, operation, reinterpret_cast<std::uint64_t>(args), count);
    };
    EXPECT_EQ(op(GNTTABOP_setup_table, setup, 2), kInval) << "one at a time";
    EXPECT_EQ(op(GNTTABOP_setup_table, setup, 1), 0);
    EXPECT_EQ(setup->status, GNTST_okay);
    for (unsigned index = 0; index < 4; ++index)
        EXPECT_EQ(Mfn{(*frames)[index]}, guest_->grants->shared_frame(index).value());
    setup->nr_frames = 65;
    EXPECT_EQ(op(GNTTABOP_setup_table, setup, 1), 0);
    EXPECT_EQ(setup->status, GNTST_general_error);
    auto* const query = host::guest_new<abi::gnttab_query_size>();
    query->dom = DOMID_SELF;
    EXPECT_EQ(op(GNTTABOP_query_size, query, 1), 0);
    EXPECT_EQ(query->nr_frames, 4u);
    EXPECT_EQ(query->max_nr_frames, 64u);
    query->dom = running_domain(1).id().raw();
    act_as(*guest_->vcpus[0]);
    EXPECT_EQ(op(GNTTABOP_query_size, query, 1), 0);
    EXPECT_EQ(query->status, GNTST_permission_denied);
    auto* const version = host::guest_new<abi::gnttab_set_version>({.version = 2});
    EXPECT_EQ(op(GNTTABOP_set_version, version, 1), 0);
    EXPECT_EQ(version->version, 2u);
    EXPECT_EQ(op(77, version, 1), kNoSys);
}

TEST_F(GuestCallTest, LongGrantBatchesRestartWhereTheyStopped)
{
    constexpr unsigned kCount = 1000;
    using Batch = std::array<abi::gnttab_copy, kCount>;
    Mfn const from = host::guest_page(*guest_);
    Mfn const to = host::guest_page(*guest_);
    auto* const batch = host::guest_new<Batch>();
    for (unsigned index = 0; index < kCount; ++index)
    {
        port::frame_data(from)[index] = static_cast<std::byte>(index * 7);
        auto& one = (*batch)[index];
        one.source = {{.gmfn = from.raw()}, DOMID_SELF, static_cast<std::uint16_t>(index)};
        one.dest = {{.gmfn = to.raw()}, DOMID_SELF, static_cast<std::uint16_t>(index)};
        one.len = 1;
        one.status = 99;
    }
    std::int64_t result = call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, host::guest_address(batch), kCount);
    unsigned restarts = 0;
    for (; result == kRestart && restarts < kCount; ++restarts)
        result = call(__HYPERVISOR_grant_table_op, args_.value[0], args_.value[1], args_.value[2]);
    EXPECT_EQ(result, 0);
    EXPECT_GT(restarts, 2u);
    for (unsigned index = 0; index < kCount; ++index)
    {
        ASSERT_EQ((*batch)[index].status, GNTST_okay) << index;
        ASSERT_EQ(port::frame_data(to)[index], static_cast<std::byte>(index * 7));
    }
    EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, host::guest_address(batch), 0), 0);
    EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, host::guest_address(batch), 0x80000000), kInval);
    EXPECT_EQ(call(__HYPERVISOR_grant_table_op, GNTTABOP_copy, 0x1000, 1), kFault);
}

} // namespace
} // namespace hv
