// SPDX-License-Identifier: MIT
// mmu_update, update_va_mapping, mmuext_op and the descriptor calls as guests make them, recounted after every step.
#include <guest.hpp>
#include <invariants.hpp>
#include <machine_test.hpp>

#include <core/domain/roots.hpp>

#include <algorithm>
#include <array>

namespace hv
{
namespace
{

using host::Guest;
using host::kRead;
using host::kReadWrite;

class MmuCalls : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        guest_ = std::make_unique<Guest>(domain());
        guest_->between = [] { EXPECT_INVARIANTS(); };
        page_ = guest().page();
        space_ = guest().space({page_, guest().page(), guest().page()});
        guest().run_on(space_);
        host::make_current(host::kToolCpu, &guest().vcpu());
    }
    void TearDown() override
    {
        host::make_current(host::kToolCpu, nullptr);
        MachineTest::TearDown();
        guest_.reset();
    }
    Guest& guest() { return *guest_; }
    static std::uint64_t slot(Mfn table, unsigned index) { return (table.raw() << kPageShift) + index * 8; }

    std::unique_ptr<Guest> guest_;
    Mfn page_{};
    Guest::Space space_{};
};

TEST_F(MmuCalls, ABatchStopsAtTheFirstErrorWithTheExactCount)
{
    Guest other(domain());
    auto* const requests = host::guest_new<std::array<abi::mmu_update, 40>>();
    for (unsigned i = 0; i < 40; ++i)
        (*requests)[i] = {slot(space_.l1, 10 + i), pte::make(page_, kRead)};
    (*requests)[35].val = pte::make(other.page(), kRead); // beyond the first piece that is copied in
    auto* const done = host::guest_new<std::uint32_t>(77);
    EXPECT_EQ(
        guest().call(__HYPERVISOR_mmu_update, host::guest_address(requests), 40, host::guest_address(done), DOMID_SELF),
        -EBUSY);
    EXPECT_EQ(*done, 35u);
    EXPECT_EQ(Guest::entry(space_.l1, 44), pte::make(page_, kRead | pte::kGlobal));
    EXPECT_EQ(Guest::entry(space_.l1, 45), 0u);
    EXPECT_EQ(
        guest().call(__HYPERVISOR_mmu_update, host::guest_address(requests), 35, host::guest_address(done), DOMID_SELF),
        0);
    EXPECT_EQ(*done, 35u);
}

TEST_F(MmuCalls, ALongBatchGoesOnWhereItStopped)
{
    constexpr unsigned kCount = 3000;
    auto* const requests = host::guest_new<std::array<abi::mmu_update, kCount>>();
    for (unsigned i = 0; i < kCount; ++i)
        (*requests)[i] = {slot(space_.l1, 5 + i % 500), pte::make(page_, i / 500 % 2 == 0 ? kRead : kReadWrite)};
    auto* const done = host::guest_new<std::uint32_t>(0);
    EXPECT_EQ(guest().call(__HYPERVISOR_mmu_update, host::guest_address(requests), kCount, host::guest_address(done),
                           DOMID_SELF),
              0);
    EXPECT_GT(guest().restarts, 0u);
    EXPECT_EQ(*done, kCount);
    EXPECT_EQ(frame_info(page_)->type_count(), 501u);
}

TEST_F(MmuCalls, AListOfFlushesLetsGoAfterSome)
{
    // A page that turns from a table into a plain page and back makes all CPUs flush each time, and costs hardly any budget.
    constexpr unsigned kCount = 512;
    Mfn const turning = guest().page();
    std::uint64_t const turns[][2] = {{slot(space_.l2, 1), pte::make(turning, kReadWrite)},
                                      {slot(space_.l2, 1), 0},
                                      {slot(space_.l1, 9), pte::make(turning, kReadWrite)},
                                      {slot(space_.l1, 9), 0}};
    auto* const requests = host::guest_new<std::array<abi::mmu_update, kCount>>();
    for (unsigned i = 0; i < kCount; ++i)
        (*requests)[i] = {turns[i % 4][0], turns[i % 4][1]};
    auto* const done = host::guest_new<std::uint32_t>(0);
    std::uint32_t const before = host::flushes().remote;
    std::uint32_t most = 0;
    std::uint32_t last = before;
    guest().between = [&] {
        most = std::max(most, host::flushes().remote - last);
        last = host::flushes().remote;
    };
    EXPECT_EQ(guest().call(__HYPERVISOR_mmu_update, host::guest_address(requests), kCount, host::guest_address(done),
                           DOMID_SELF),
              0);
    EXPECT_EQ(*done, kCount);
    EXPECT_GE(last - before, kCount / 2 - 1) << "all of it is done in the end";
    EXPECT_LE(most, 16u + 32) << "looked at after every piece that is copied in";
    EXPECT_INVARIANTS();
}

TEST_F(MmuCalls, CommandsThatDoNotExistAreRefused)
{
    // The low three bits of the pointer are the command (surface 2.4); 4 to 7 once were taken for 0 to 3.
    for (unsigned command : {4u, 5u, 6u, 7u})
        EXPECT_EQ(guest().mmu_update(slot(space_.l1, 9) | command, pte::make(page_, kRead)), -ENOSYS) << command;
    EXPECT_EQ(Guest::entry(space_.l1, 9), 0u);
    EXPECT_EQ(guest().mmu_update(slot(space_.l1, 9) | MMU_PT_UPDATE_NO_TRANSLATE, pte::make(page_, kRead)), 0);
}

TEST_F(MmuCalls, PlainPagesTakeEightBytesAndOthersFramesNone)
{
    Guest other(domain());
    Mfn const foreign = other.page();
    Mfn const fresh = guest().page();
    EXPECT_EQ(guest().mmu_update(slot(fresh, 3), 0x1122334455667788), 0);
    EXPECT_EQ(Guest::entry(fresh, 3), 0x1122334455667788u);
    EXPECT_EQ(guest().mmu_update(slot(foreign, 3), 1), -EINVAL);
    EXPECT_EQ(Guest::entry(foreign, 3), 0u);
    EXPECT_EQ(guest().mmu_update(slot(Mfn{host::kFrames}, 0), 1), -EINVAL);
    EXPECT_EQ(guest().mmu_update(slot(Mfn{3}, 0), 1), -EINVAL) << "a frame of the hypervisor";
}

TEST_F(MmuCalls, MachineToPhysEntriesNeedTheFrame)
{
    Guest other(domain());
    EXPECT_EQ(guest().mmu_update((page_.raw() << kPageShift) | MMU_MACHPHYS_UPDATE, 42), 0);
    EXPECT_EQ(port::m2p()[page_.raw()], 42u);
    Mfn const foreign = other.page();
    EXPECT_EQ(guest().mmu_update((foreign.raw() << kPageShift) | MMU_MACHPHYS_UPDATE, 42), -EINVAL);
    EXPECT_EQ(guest().mmu_update((0xffffffffffull << kPageShift) | MMU_MACHPHYS_UPDATE, 42), -EINVAL);
    EXPECT_EQ(guest().mmu_update((page_.raw() << kPageShift) | MMU_MACHPHYS_UPDATE, 43, other.id()), -EPERM);
}

TEST_F(MmuCalls, ForeignFramesNeedPrivilegeAndKeepTheirOwner)
{
    Guest control(domain(1, true));
    control.between = guest().between;
    auto const space = control.space({control.page()});
    control.run_on(space);
    EXPECT_EQ(guest().set_entry(space_.l1, 4, pte::make(space.l1, kRead), control.id()), -EPERM);
    EXPECT_EQ(control.set_entry(space.l1, 4, pte::make(page_, kReadWrite), 12345), -ESRCH);
    EXPECT_EQ(control.set_entry(space.l1, 4, pte::make(page_, kReadWrite), guest().id()), 0);
    EXPECT_EQ(control.set_entry(space.l1, 5, pte::make(space_.l1, kReadWrite), guest().id()), -EBUSY) << "a table";
    EXPECT_EQ(control.set_entry(space.l1, 5, pte::make(space_.l1, kRead), guest().id()), 0);
    EXPECT_EQ(control.set_entry(space.l2, 1, pte::make(space_.l1, kRead), guest().id()), -EINVAL) << "only leaves";
    EXPECT_EQ(control.call(__HYPERVISOR_update_va_mapping_otherdomain, 6 * kPageSize, pte::make(page_, kRead), 0,
                           guest().id()),
              0);
    EXPECT_EQ(frame_info(page_)->count(), 4u);
    EXPECT_EQ(guest().pin(page_, 1), -EINVAL) << "written by another domain";
    EXPECT_EQ(control.extended(MMUEXT_TLB_FLUSH_LOCAL, 0, 0, guest().id()), -EPERM);
    EXPECT_EQ(control.pin(space_.l1, 1, guest().id()), 0) << "the tools pin a guest's tables";
    EXPECT_EQ(control.unpin(space_.l1, guest().id()), 0);
}

TEST_F(MmuCalls, AFailedMappingFlushesNothing)
{
    std::uint64_t const before = host::flushes().calls;
    for (std::uint64_t const address : {0x8000000000000000ull, 0xffff800000000000ull, 0x0000008000000000ull})
        EXPECT_EQ(
            guest().call(__HYPERVISOR_update_va_mapping, address, pte::make(page_, kRead), UVMF_INVLPG | UVMF_ALL),
            -EINVAL)
            << "XSA-279";
    EXPECT_EQ(guest().call(__HYPERVISOR_update_va_mapping, 0, pte::make(space_.l1, kReadWrite), UVMF_INVLPG), -EBUSY);
    EXPECT_EQ(host::flushes().calls, before);
    EXPECT_EQ(guest().call(__HYPERVISOR_update_va_mapping, kPageSize, 0, UVMF_INVLPG), 0);
    EXPECT_EQ(host::flushes().calls, before + 1);
    EXPECT_EQ(host::flushes().last_kind, port::Flush::Page);
    EXPECT_EQ(host::flushes().last_address, GuestVirtual{kPageSize});
}

TEST_F(MmuCalls, RootsHoldTheirTables)
{
    auto const next = guest().space({guest().page()});
    EXPECT_EQ(guest().extended(MMUEXT_NEW_BASEPTR, next.l4.raw()), 0);
    EXPECT_EQ(frame_info(space_.l4)->type_count(), 0u);
    EXPECT_EQ(frame_info(page_)->count(), 1u) << "the old tables have been taken apart";
    EXPECT_EQ(guest().extended(MMUEXT_NEW_USER_BASEPTR, next.l4.raw()), 0) << "one table as both roots";
    EXPECT_EQ(frame_info(next.l4)->type_count(), 2u);
    EXPECT_EQ(guest().extended(MMUEXT_NEW_BASEPTR, next.l3.raw()), -EINVAL);
    EXPECT_EQ(guest().extended(MMUEXT_NEW_USER_BASEPTR, page_.raw()), 0) << "an empty page is a table without entries";
    EXPECT_EQ(guest().extended(MMUEXT_NEW_USER_BASEPTR, ~0ull), -EINVAL) << "no frame, and not the word for none";
    EXPECT_EQ(guest().vcpu().pv.user_root, page_);
    EXPECT_EQ(guest().extended(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    EXPECT_EQ(guest().vcpu().pv.user_root, kInvalidMfn);
}

TEST_F(MmuCalls, LongPinsRestartAndTheCountIsRight)
{
    Mfn const l2 = guest().page();
    for (unsigned i = 0; i < 8; ++i)
    {
        Mfn const l1 = guest().page();
        for (unsigned entry = 0; entry < 512; ++entry)
            Guest::entry(l1, entry) = pte::make(page_, kRead);
        Guest::entry(l2, i) = pte::make(l1, kReadWrite);
    }
    EXPECT_EQ(guest().pin(l2, 2), 0);
    EXPECT_GT(guest().restarts, 0u);
    EXPECT_EQ(frame_info(page_)->count(), 2u + 8 * 512);
    EXPECT_EQ(guest().unpin(l2), 0);
    EXPECT_EQ(guest().extended(MMUEXT_UNPIN_TABLE, l2.raw()), -EINVAL) << "finishes what the unpin left";
    for (unsigned i = 0; i < 8; ++i)
        (void)guest().extended(MMUEXT_UNPIN_TABLE, l2.raw());
    EXPECT_EQ(frame_info(page_)->count(), 2u);
}

TEST_F(MmuCalls, UnknownExtendedOperationsHaveTheirErrors)
{
    EXPECT_EQ(guest().extended(14), -ENOSYS);
    EXPECT_EQ(guest().extended(99), -ENOSYS);
    EXPECT_EQ(guest().extended(MMUEXT_MARK_SUPER, page_.raw()), -EOPNOTSUPP);
    EXPECT_EQ(guest().extended(MMUEXT_FLUSH_CACHE), -EACCES);
    EXPECT_EQ(guest().extended(MMUEXT_CLEAR_PAGE, space_.l1.raw()), -EBUSY);
    EXPECT_EQ(guest().extended(MMUEXT_COPY_PAGE, space_.l1.raw(), page_.raw()), -EBUSY);
    Mfn const copy = guest().page();
    EXPECT_EQ(guest().extended(MMUEXT_COPY_PAGE, copy.raw(), space_.l1.raw()), 0);
    EXPECT_EQ(Guest::entry(copy, 0), Guest::entry(space_.l1, 0));
    EXPECT_EQ(guest().extended(MMUEXT_CLEAR_PAGE, copy.raw()), 0);
    EXPECT_EQ(Guest::entry(copy, 0), 0u);
}

constexpr std::uint64_t kFlatCode = 0x00affb000000ffff;  // long mode code, DPL 3
constexpr std::uint64_t kTaskState = 0x0000890000000067; // a system segment that is none of the guest's business

TEST_F(MmuCalls, DescriptorPagesAreCheckedAndHeldWhileInUse)
{
    Mfn const gdt = guest().page();
    Guest::entry(gdt, 1) = kFlatCode;
    auto* const frames = host::guest_new<std::array<std::uint64_t, 2>>({gdt.raw(), gdt.raw()});
    EXPECT_EQ(guest().call(__HYPERVISOR_set_gdt, host::guest_address(frames), 600), 0);
    EXPECT_EQ(frame_info(gdt)->type(), FrameType::Descriptor);
    EXPECT_EQ(frame_info(gdt)->type_count(), 2u);
    EXPECT_EQ(guest().set_entry(space_.l1, 9, pte::make(gdt, kReadWrite)), -EBUSY);
    EXPECT_EQ(guest().set_entry(space_.l1, 9, pte::make(gdt, kRead)), 0);
    EXPECT_EQ(guest().mmu_update(slot(gdt, 1), kTaskState), -EINVAL) << "descriptors change by update_descriptor only";
    EXPECT_EQ(guest().pin(gdt, 1), -EINVAL);
    EXPECT_EQ(guest().call(__HYPERVISOR_update_descriptor, slot(gdt, 2), kFlatCode), 0);
    EXPECT_EQ(guest().call(__HYPERVISOR_update_descriptor, slot(gdt, 2), kTaskState), -EINVAL);
    EXPECT_EQ(guest().call(__HYPERVISOR_update_descriptor, slot(space_.l1, 2), kFlatCode), -EINVAL) << "a page table";
    EXPECT_EQ(Guest::entry(gdt, 2), kFlatCode);
    (*frames)[1] = page_.raw(); // mapped writable: refused, and the old table stays
    EXPECT_EQ(guest().call(__HYPERVISOR_set_gdt, host::guest_address(frames), 600), -EINVAL);
    EXPECT_EQ(frame_info(gdt)->type_count(), 2u);
    EXPECT_EQ(guest().call(__HYPERVISOR_set_gdt, host::guest_address(frames), 20), 0);
    EXPECT_EQ(frame_info(gdt)->type_count(), 1u);
    EXPECT_EQ(guest().call(__HYPERVISOR_set_gdt, 0, 0), 0);
    EXPECT_EQ(frame_info(gdt)->type_count(), 0u);
    Guest::entry(gdt, 7) = kTaskState;
    EXPECT_EQ(guest().call(__HYPERVISOR_set_gdt, host::guest_address(frames), 20), -EINVAL);
}

TEST_F(MmuCalls, LdtPagesComeInOneByOneAndLeaveTogether)
{
    Mfn const ldt = guest().page();
    ASSERT_EQ(guest().set_entry(space_.l1, 20, pte::make(ldt, kRead)), 0);
    EXPECT_EQ(guest().extended(MMUEXT_SET_LDT, 20 * kPageSize + 8, 10), -EINVAL);
    EXPECT_EQ(guest().extended(MMUEXT_SET_LDT, kHypervisorStart, 10), -EINVAL);
    EXPECT_EQ(guest().extended(MMUEXT_SET_LDT, 20 * kPageSize, 8193), -EINVAL);
    ASSERT_EQ(guest().extended(MMUEXT_SET_LDT, 20 * kPageSize, 513), 0);
    EXPECT_TRUE(map_ldt_page(guest().vcpu(), 0));
    EXPECT_INVARIANTS();
    EXPECT_FALSE(map_ldt_page(guest().vcpu(), 0)) << "in the window already";
    EXPECT_FALSE(map_ldt_page(guest().vcpu(), 1)) << "not present";
    EXPECT_FALSE(map_ldt_page(guest().vcpu(), 2)) << "beyond the limit";
    EXPECT_EQ(frame_info(ldt)->type(), FrameType::Descriptor);
    auto const next = guest().space({guest().page()});
    EXPECT_EQ(guest().extended(MMUEXT_NEW_BASEPTR, next.l4.raw()), 0) << "another address space, another LDT";
    EXPECT_EQ(frame_info(ldt)->type_count(), 0u);
    EXPECT_FALSE(map_ldt_page(guest().vcpu(), 0));
}

} // namespace
} // namespace hv
