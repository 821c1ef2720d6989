// SPDX-License-Identifier: MIT
// The end of domains, in steps of any size, while others still hold their frames; and contexts that come in steps.
#include <guest.hpp>
#include <invariants.hpp>
#include <machine_test.hpp>

#include <core/domain/context.hpp>
#include <core/policy/cpu_policy.hpp>

#include <algorithm>

namespace hv
{
namespace
{

using host::Guest;
using host::kRead;
using host::kReadWrite;

class DomainEnd : public host::MachineTest
{
protected:
    static void populate(Guest& guest)
    {
        auto const space = guest.space({guest.page(), guest.page(), guest.page()});
        guest.run_on(space);
        Mfn const shared_l1 = guest.table({{0, guest.page()}, {511, guest.page(), kRead}});
        Mfn const l4 = guest.table({{2, guest.table({{7, guest.table({{0, shared_l1}, {1, shared_l1}})}})}});
        ASSERT_EQ(guest.pin(l4, 4), 0);
        ASSERT_EQ(guest.pin(shared_l1, 1), 0);
        Mfn const half = guest.table({{0, shared_l1}, {1, guest.table({{0, guest.page()}})}, {2, shared_l1}});
        Budget budget(2);
        Guard guard(guest.domain().mmu_lock);
        ASSERT_EQ(get_table(guest.domain(), half, FrameType::L2, budget).error(), Errno::Restart); // stays partial
    }
    // Ends it with `units` a time; returns the number of steps. The domain may be gone afterwards.
    static unsigned relinquish(Domain& ending, std::int32_t units)
    {
        for (unsigned steps = 1; steps < 100000; ++steps)
        {
            Budget budget(units);
            auto const ended = destroy_domain(ending, budget);
            EXPECT_INVARIANTS();
            if (ended)
                return steps;
            EXPECT_EQ(ended.error(), Errno::Restart);
        }
        ADD_FAILURE() << "does not end";
        return 0;
    }
};

TEST_F(DomainEnd, GivesEverythingBackInStepsOfAnySize)
{
    for (std::int32_t units : {1, 2, 3, 10, 100000})
    {
        std::uint64_t const before = free_frames();
        Domain& ending = host::make_domain();
        Guest guest(ending);
        populate(guest);
        EXPECT_INVARIANTS();
        unsigned const steps = relinquish(ending, units);
        EXPECT_TRUE(units > 10 ? steps == 1 : steps > 2) << steps;
        EXPECT_EQ(ending.life, Life::Dead);
        DomainId const id = ending.id();
        domain_release(ending);
        EXPECT_FALSE(find_domain(id));
        EXPECT_EQ(free_frames(), before);
        EXPECT_INVARIANTS();
    }
}

TEST_F(DomainEnd, FramesThatTheControlDomainMapsKeepItAsAShell)
{
    std::uint64_t const before = free_frames();
    Guest control(domain(1, true));
    auto const space = control.space({control.page()});
    control.run_on(space);
    std::uint64_t const with_control = free_frames();
    Domain& ending = host::make_domain();
    Guest guest(ending);
    populate(guest);
    Mfn const page = guest.page(), other_page = guest.page();
    DomainId const id = ending.id();
    ASSERT_EQ(control.set_entry(space.l1, 1, pte::make(page, kReadWrite), guest.id()), 0);
    ASSERT_EQ(control.set_entry(space.l1, 2, pte::make(page, kRead), guest.id()), 0);
    ASSERT_EQ(control.set_entry(space.l1, 3, pte::make(other_page, kRead), guest.id()), 0);
    (void)relinquish(ending, 3);
    domain_release(ending);
    ASSERT_TRUE(find_domain(id)) << "a dead domain is still listed while its frames are mapped";
    EXPECT_EQ(ending.relinquished_pages.count, 2u);
    EXPECT_EQ(control.pin(page, 1, guest.id()), -EINVAL) << "nothing new is taken of it";
    EXPECT_EQ(control.set_entry(space.l1, 1, 0), 0);
    EXPECT_INVARIANTS();
    EXPECT_EQ(control.set_entry(space.l1, 3, 0), 0);
    EXPECT_INVARIANTS();
    ASSERT_TRUE(find_domain(id));
    EXPECT_EQ(control.set_entry(space.l1, 2, 0), 0);
    EXPECT_FALSE(find_domain(id)) << "the last mapping frees it";
    EXPECT_INVARIANTS();
    EXPECT_EQ(free_frames(), with_control);
    EXPECT_LT(with_control, before);
}

TEST_F(DomainEnd, NothingIsTakenForADyingDomain)
{
    Guest control(domain(1, true));
    Domain& ending = host::make_domain();
    Guest guest(ending);
    populate(guest);
    Mfn const l1 = guest.table({{0, guest.page()}});
    Budget budget(1);
    ASSERT_EQ(destroy_domain(ending, budget).error(), Errno::Restart);
    EXPECT_EQ(control.pin(l1, 1, guest.id()), -EINVAL);
    EXPECT_EQ(allocate_domain_frames(ending, 0).error(), Errno::NoMem);
    auto* const context = heap_new<abi::vcpu_guest_context>();
    context->ctrlreg[3] = l1.raw() << kPageShift;
    Budget more(1000);
    EXPECT_EQ(set_vcpu_context(guest.vcpu(), *context, more).error(), Errno::Inval);
    heap_delete(context);
    EXPECT_INVARIANTS();
    host::destroy(ending);
    EXPECT_INVARIANTS();
}

class Contexts : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        context_ = heap_new<abi::vcpu_guest_context>();
        context_->flags = VGCF_in_kernel;
    }
    void TearDown() override
    {
        heap_delete(context_);
        MachineTest::TearDown();
    }
    Result<void> set(Guest const& guest, std::int32_t units)
    {
        Budget budget(units);
        auto const result = set_vcpu_context(guest.vcpu(), *context_, budget);
        EXPECT_INVARIANTS();
        return result;
    }

    abi::vcpu_guest_context* context_ = nullptr;
};

TEST_F(Contexts, RootsAreTakenOnceHoweverOftenTheCallRestarts)
{
    Guest guest(domain());
    auto const kernel = guest.space({guest.page(), guest.page()});
    auto const user = guest.space({guest.page()});
    context_->ctrlreg[3] = kernel.l4.raw() << kPageShift;
    context_->ctrlreg[1] = user.l4.raw() << kPageShift;
    unsigned rounds = 0;
    Result<void> result = Errno::Restart;
    for (; !result && result.error() == Errno::Restart && rounds < 100; ++rounds)
        result = set(guest, 2);
    EXPECT_TRUE(result);
    EXPECT_GT(rounds, 1u);
    EXPECT_EQ(frame_info(kernel.l4)->type_count(), 1u);
    EXPECT_EQ(frame_info(user.l4)->type_count(), 1u);
}

TEST_F(Contexts, AnotherContextAfterARestartDropsWhatTheFirstTook)
{
    // A caller may come back from a restart with other roots. Those of the first attempt once stayed referenced for
    // ever: the domain could then never be freed.
    Guest guest(domain());
    auto const first = guest.space({guest.page()});
    auto const first_user = guest.space({guest.page()});
    auto const second = guest.space({guest.page()});
    context_->ctrlreg[3] = first.l4.raw() << kPageShift;
    context_->ctrlreg[1] = first_user.l4.raw() << kPageShift;
    std::int32_t units = 1;
    while (guest.vcpu().pv.kernel_root == kInvalidMfn)
        ASSERT_EQ(set(guest, units++).error(), Errno::Restart);
    context_->ctrlreg[3] = second.l4.raw() << kPageShift;
    context_->ctrlreg[1] = 0;
    EXPECT_TRUE(set(guest, 1000));
    EXPECT_EQ(guest.vcpu().pv.kernel_root, second.l4);
    EXPECT_EQ(guest.vcpu().pv.user_root, kInvalidMfn);
    EXPECT_EQ(frame_info(first.l4)->type_count(), 0u);
}

TEST_F(Contexts, ControlBitsOfFeaturesThatAreNotThereAreDropped)
{
    // A bit of CR4 that the CPU does not have faults in the hypervisor when the vCPU is first loaded.
    Guest guest(domain());
    auto const space = guest.space({guest.page()});
    policy::FeatureSet features = guest.domain().policy->features();
    features.set(abi::XEN_X86_FEATURE_FSGSBASE, false);
    guest.domain().policy->set_features(features);
    context_->ctrlreg[3] = space.l4.raw() << kPageShift;
    context_->ctrlreg[4] = policy::kCr4FsGsBase | policy::kCr4TimeStampDisable | 1u << 20;
    ASSERT_TRUE(set(guest, 1000));
    EXPECT_EQ(guest.vcpu().pv.cr4, policy::kCr4TimeStampDisable);
}

TEST_F(Contexts, UserModeNeedsAUserRoot)
{
    // Without one, the CPU that next ran the vCPU would have loaded a root that does not exist.
    Guest guest(domain());
    auto const space = guest.space({guest.page()});
    context_->ctrlreg[3] = space.l4.raw() << kPageShift;
    context_->flags = 0;
    EXPECT_EQ(set(guest, 1000).error(), Errno::Inval);
    EXPECT_EQ(guest.vcpu().pv.kernel_root, kInvalidMfn);
    context_->flags = VGCF_in_kernel;
    EXPECT_TRUE(set(guest, 1000));
    context_->flags = 0;
    EXPECT_EQ(update_vcpu_registers(guest.vcpu(), *context_).error(), Errno::Inval);
    EXPECT_TRUE(guest.vcpu().pv.in_kernel);
}

TEST_F(Contexts, OnlyTheFirstContextCounts)
{
    // Another vCPU of the guest may have passed the early check while the first context was taken and the vCPU started.
    Guest guest(domain());
    auto const first = guest.space({guest.page()});
    auto const second = guest.space({guest.page()});
    context_->ctrlreg[3] = first.l4.raw() << kPageShift;
    EXPECT_TRUE(set(guest, 1000));
    context_->ctrlreg[3] = second.l4.raw() << kPageShift;
    EXPECT_EQ(set(guest, 1000).error(), Errno::Exist);
    EXPECT_EQ(guest.vcpu().pv.kernel_root, first.l4);
}

TEST_F(Contexts, ARefusedContextLeavesNothingBehind)
{
    Guest guest(domain());
    auto const space = guest.space({guest.page()});
    context_->ctrlreg[3] = space.l4.raw() << kPageShift;
    context_->gdt_ents = 512;
    context_->gdt_frames[0] = space.l1.raw(); // a table is no descriptor page
    EXPECT_EQ(set(guest, 1000).error(), Errno::Inval);
    EXPECT_EQ(guest.vcpu().pv.kernel_root, kInvalidMfn);
    EXPECT_EQ(frame_info(space.l4)->type_count(), 0u);
    EXPECT_FALSE(guest.vcpu().initialised);
    context_->gdt_frames[0] = guest.page().raw();
    EXPECT_TRUE(set(guest, 1000));
    Budget budget(1000);
    EXPECT_TRUE(reset_vcpu(guest.vcpu(), budget));
    EXPECT_EQ(frame_info(space.l4)->type_count(), 0u);
    EXPECT_INVARIANTS();
}

} // namespace
} // namespace hv
