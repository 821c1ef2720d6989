// SPDX-License-Identifier: MIT
// What the tools can still ask of a domain that is dead but not gone, because they map a frame of it.
#include <guest.hpp>
#include <machine_test.hpp>

#include <core/evtchn/event_channels.hpp>

namespace hv
{
namespace
{

using host::Guest;

class Zombie : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        control_ = std::make_unique<Guest>(domain(1, true));
        host::make_current(host::kToolCpu, &control_->vcpu());
        auto const made = domctl(XEN_DOMCTL_createdomain, [](abi::xen_domctl& op) {
            op.domain = 0;
            op.u.createdomain.max_vcpus = 2;
            op.u.createdomain.max_evtchn_port = 100;
            op.u.createdomain.max_grant_frames = op.u.createdomain.max_maptrack_frames = -1;
            op.u.createdomain.grant_opts = 1;
        });
        ASSERT_EQ(made, 0);
        id_ = last_.domain;
        subject_ = find_domain(DomainId{id_});
    }
    void TearDown() override
    {
        subject_ = {};
        if (kept_ != kInvalidMfn)
            put_frame(kept_);
        host::make_current(host::kToolCpu, nullptr);
        MachineTest::TearDown();
        control_.reset();
    }

    template<typename F>
    std::int64_t domctl(std::uint32_t command, F&& fill)
    {
        auto* const op = host::guest_new<abi::xen_domctl>();
        op->cmd = command;
        op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        op->domain = id_;
        fill(*op);
        std::int64_t const result = control_->call(__HYPERVISOR_domctl, host::guest_address(op));
        last_ = *op;
        return result;
    }
    std::int64_t domctl(std::uint32_t command)
    {
        return domctl(command, [](abi::xen_domctl&) {});
    }

    void kill()
    {
        ASSERT_EQ(domctl(XEN_DOMCTL_max_mem, [](abi::xen_domctl& op) { op.u.max_mem.max_memkb = 1024; }), 0);
        kept_ = host::guest_page(*subject_);
        ASSERT_TRUE(get_frame(kept_, DomainId{id_})); // as a mapping in the control domain would
        ASSERT_EQ(domctl(XEN_DOMCTL_destroydomain), 0);
        ASSERT_EQ(subject_->life, Life::Dead);
    }

    std::unique_ptr<Guest> control_;
    DomainRef subject_;
    std::uint16_t id_ = 0;
    Mfn kept_ = kInvalidMfn;
    abi::xen_domctl last_{};
};

TEST_F(Zombie, IsListedAndCanBeDestroyedAgain)
{
    kill();
    EXPECT_EQ(domctl(XEN_DOMCTL_getdomaininfo), 0);
    EXPECT_NE(last_.u.getdomaininfo.flags & XEN_DOMINF_dying, 0u);
    EXPECT_EQ(last_.u.getdomaininfo.tot_pages, 1u);
    EXPECT_EQ(domctl(XEN_DOMCTL_destroydomain), 0);
}

TEST_F(Zombie, RefusesWhatWouldTouchTheMemoryThatItGaveBack)
{
    // Its shared_info, vcpu_infos and timers are gone; each of these once wrote there or followed a null pointer.
    ASSERT_EQ(domctl(XEN_DOMCTL_max_vcpus, [](abi::xen_domctl& op) { op.u.max_vcpus.max = 2; }), 0);
    subject_->vcpus[0]->initialised = true;
    kill();
    auto* const context = host::guest_new<abi::vcpu_guest_context>();
    auto const with_context = [&](abi::xen_domctl& op) { op.u.vcpucontext.ctxt.p = context; };
    EXPECT_EQ(domctl(XEN_DOMCTL_getvcpucontext, with_context), -ESRCH);
    EXPECT_EQ(domctl(XEN_DOMCTL_setvcpucontext, with_context), -ESRCH);
    EXPECT_EQ(domctl(XEN_DOMCTL_settimeoffset, [](abi::xen_domctl& op) { op.u.settimeoffset.time_offset_seconds = 5; }),
              -ESRCH);
    EXPECT_EQ(domctl(XEN_DOMCTL_scheduler_op,
                     [](abi::xen_domctl& op) {
                         op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
                         op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
                         op.u.scheduler_op.u.credit2.cap = 50;
                     }),
              -ESRCH);
    EXPECT_EQ(domctl(XEN_DOMCTL_sendtrigger, [](abi::xen_domctl& op) { op.u.sendtrigger.trigger = 0; }), -ESRCH);
}

TEST_F(Zombie, GetsNoVcpusAnyMore)
{
    kill();
    EXPECT_EQ(domctl(XEN_DOMCTL_max_vcpus, [](abi::xen_domctl& op) { op.u.max_vcpus.max = 2; }), -ESRCH);
    EXPECT_EQ(subject_->vcpu_count, 0u);
    EXPECT_EQ(subject_->events->alloc_unbound(DomainId{0}).error(), Errno::Inval);
}

TEST_F(Zombie, HandlesNoVirqs)
{
    auto const handle = [&](std::uint32_t virq) {
        return domctl(XEN_DOMCTL_set_virq_handler, [&](abi::xen_domctl& op) { op.u.set_virq_handler.virq = virq; });
    };
    EXPECT_EQ(handle(VIRQ_TIMER), -EINVAL) << "each vCPU has its own";
    EXPECT_EQ(handle(NR_VIRQS), -EINVAL);
    EXPECT_EQ(handle(VIRQ_CON_RING), 0);
    EXPECT_EQ(handle(VIRQ_DOM_EXC), 0);
    kill();
    EXPECT_EQ(handle(VIRQ_CON_RING), -ESRCH);
}

} // namespace
} // namespace hv
