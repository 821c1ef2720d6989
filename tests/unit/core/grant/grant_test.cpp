// SPDX-License-Identifier: MIT
// Grants: mapping, revoking, and what is left when domains die.
#include "grant_fixture.hpp"

namespace hv
{
namespace
{

TEST_F(GrantTest, MapAndUnmapLeaveNoTrace)
{
    permit(8);
    auto const mapped = map(8, 3);
    ASSERT_EQ(mapped.status, GNTST_okay);
    EXPECT_EQ(mapped.dev_bus_addr, to_address(page_).raw());
    EXPECT_EQ(entry(3) & pte::kAddress, to_address(page_).raw());
    EXPECT_NE(entry(3) & pte::kWritable, 0u);
    EXPECT_NE(entry(3) & pte::kNoExecute, 0u);
    EXPECT_EQ(shared(8).flags, GTF_permit_access | GTF_reading | GTF_writing);
    EXPECT_EQ(frame_info(page_)->count(), 2u);
    EXPECT_EQ(frame_info(page_)->type_count(), 1u);
    std::uint64_t const flushes = host::flushes().calls;
    EXPECT_EQ(unmap(mapped), GNTST_okay);
    EXPECT_EQ(host::flushes().calls, flushes + 1);
    EXPECT_EQ(entry(3), 0u);
    expect_unused(8);
    EXPECT_EQ(unmap(mapped), GNTST_bad_handle) << "the handle is gone";
}

TEST_F(GrantTest, UnmapFlushesEveryCpuThatHoldsTheMapper)
{
    // The guest may have used the page through another address of the same L1, so one address is not enough (gotcha 51).
    permit(8);
    auto const mapped = map(8, 3);
    vcpu().loaded_cpu = 2;
    EXPECT_EQ(unmap(mapped), GNTST_okay);
    EXPECT_TRUE(host::flushes().last_targets.test(CpuId{2}));
    EXPECT_EQ(host::flushes().last_kind, port::Flush::All);
    vcpu().loaded_cpu = kNotLoaded;
}

TEST_F(GrantTest, DeathOfTheMapperFlushesBeforeItReleases)
{
    permit(8);
    ASSERT_EQ(map(8, 3).status, GNTST_okay);
    vcpu().loaded_cpu = 1;
    std::int32_t budget = 1000;
    EXPECT_TRUE(grant_table_relinquish(*mapper_, budget));
    EXPECT_TRUE(host::flushes().last_targets.test(CpuId{1}));
    vcpu().loaded_cpu = kNotLoaded;
    EXPECT_EQ(frame_info(page_)->count(), 1u);
}

TEST_F(GrantTest, ReadOnlyGrantCannotBeMappedWritable)
{
    permit(8, GTF_readonly);
    EXPECT_EQ(map(8, 3).status, GNTST_general_error);
    expect_unused(8);
    auto const mapped = map(8, 3, GNTMAP_host_map | GNTMAP_readonly);
    ASSERT_EQ(mapped.status, GNTST_okay);
    EXPECT_EQ(entry(3) & pte::kWritable, 0u);
    EXPECT_EQ(shared(8).flags & (GTF_reading | GTF_writing), GTF_reading);
    EXPECT_EQ(frame_info(page_)->type_count(), 0u);
    EXPECT_EQ(unmap(mapped), GNTST_okay);
    expect_unused(8);
}

TEST_F(GrantTest, WritingBitGoesWithTheLastWriterReadingWithTheLastUser)
{
    permit(8);
    auto const writer = map(8, 1);
    auto const reader = map(8, 2, GNTMAP_host_map | GNTMAP_readonly);
    auto const second = map(8, 3);
    EXPECT_EQ(unmap(writer), GNTST_okay);
    EXPECT_EQ(shared(8).flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing);
    EXPECT_EQ(unmap(second), GNTST_okay);
    EXPECT_EQ(shared(8).flags & (GTF_reading | GTF_writing), GTF_reading);
    EXPECT_EQ(unmap(reader), GNTST_okay);
    expect_unused(8);
}

TEST_F(GrantTest, StrangersAndBadReferencesAreRefused)
{
    permit(8);
    EXPECT_EQ(map(9, 1).status, GNTST_general_error) << "an invalid entry";
    EXPECT_EQ(map(512, 1).status, GNTST_bad_gntref) << "beyond the table";
    EXPECT_EQ(map(~0u, 1).status, GNTST_bad_gntref);
    shared(8).domid = 0x123;
    EXPECT_EQ(map(8, 1).status, GNTST_general_error) << "granted to another domain";
    abi::gnttab_map_grant_ref operation{};
    operation.dom = 0x7abc;
    operation.flags = GNTMAP_host_map;
    EXPECT_EQ(grant::Mapper(vcpu()).map(operation), GNTST_bad_domain);
    operation.flags = 0;
    EXPECT_NE(grant::Mapper(vcpu()).map(operation), GNTST_okay);
    expect_unused(8);
}

TEST_F(GrantTest, GrantOfAFrameTheGranterDoesNotOwnIsRefused)
{
    permit(8);
    for (std::uint64_t const frame : {host::guest_page(*mapper_).raw(), std::uint64_t{3}, std::uint64_t{0xfffffff0}})
    {
        shared(8).frame = static_cast<std::uint32_t>(frame);
        EXPECT_EQ(map(8, 1).status, GNTST_bad_page) << frame;
        EXPECT_EQ(shared(8).flags & (GTF_reading | GTF_writing), 0u);
    }
}

TEST_F(GrantTest, FrameIsFixedWhileTheGrantIsInUse)
{
    permit(8);
    auto const first = map(8, 1);
    ASSERT_EQ(first.status, GNTST_okay);
    shared(8).frame = static_cast<std::uint32_t>(host::guest_page(*granter_).raw());
    auto const second = map(8, 2);
    ASSERT_EQ(second.status, GNTST_okay);
    EXPECT_EQ(second.dev_bus_addr, first.dev_bus_addr);
    EXPECT_EQ(unmap(first), GNTST_okay);
    EXPECT_EQ(unmap(second), GNTST_okay);
    EXPECT_EQ(frame_info(page_)->count(), 1u);
}

TEST_F(GrantTest, MapWithoutAPageTableForItFailsWhole)
{
    permit(8);
    abi::gnttab_map_grant_ref operation{};
    operation.host_addr = 0x1000; // no L1 there
    operation.flags = GNTMAP_host_map | GNTMAP_device_map;
    operation.ref = 8;
    operation.dom = granter_->id().raw();
    EXPECT_EQ(grant::Mapper(vcpu()).map(operation), GNTST_general_error);
    expect_unused(8);
}

TEST_F(GrantTest, ContainsPteNamesAnEntryByItsMachineAddress)
{
    permit(8);
    constexpr std::uint32_t kFlags =
        GNTMAP_host_map | GNTMAP_application_map | GNTMAP_contains_pte | (1u << _GNTMAP_guest_avail0);
    abi::gnttab_map_grant_ref operation{};
    operation.flags = kFlags;
    operation.ref = 8;
    operation.dom = granter_->id().raw();
    operation.host_addr = to_address(l1_).raw() + 5 * 8 + 4;
    EXPECT_NE(grant::Mapper(vcpu()).map(operation), GNTST_okay) << "not aligned";
    operation.host_addr = to_address(page_).raw();
    EXPECT_NE(grant::Mapper(vcpu()).map(operation), GNTST_okay) << "not a page table of the mapper";
    expect_unused(8);
    operation.host_addr = to_address(l1_).raw() + 5 * 8;
    ASSERT_EQ(grant::Mapper(vcpu()).map(operation), GNTST_okay);
    EXPECT_EQ(entry(5) & pte::kAddress, to_address(page_).raw());
    EXPECT_NE(entry(5) & (1ull << 9), 0u);
    EXPECT_NE(entry(5) & pte::kUser, 0u);
    EXPECT_EQ(unmap(operation), GNTST_okay);
    expect_unused(8);
}

TEST_F(GrantTest, UnmapOfAnotherPlaceKeepsTheMapping)
{
    permit(8);
    auto mapped = map(8, 1);
    auto const elsewhere = map(8, 2, GNTMAP_host_map | GNTMAP_readonly);
    auto wrong = mapped;
    wrong.host_addr = address(7);
    EXPECT_EQ(unmap(wrong), GNTST_general_error);
    wrong.host_addr = elsewhere.host_addr;
    EXPECT_EQ(unmap(wrong), GNTST_general_error) << "the same frame with other rights";
    EXPECT_EQ(frame_info(page_)->type_count(), 1u);
    EXPECT_EQ(unmap(mapped), GNTST_okay);
    EXPECT_EQ(unmap(elsewhere), GNTST_okay);
    expect_unused(8);
}

TEST_F(GrantTest, HostAndDeviceMappingsEndApart)
{
    permit(8);
    auto const mapped = map(8, 1, GNTMAP_host_map | GNTMAP_device_map);
    ASSERT_EQ(mapped.status, GNTST_okay);
    EXPECT_EQ(frame_info(page_)->type_count(), 2u);
    EXPECT_EQ(unmap(mapped), GNTST_okay);
    EXPECT_EQ(frame_info(page_)->type_count(), 1u);
    EXPECT_NE(shared(8).flags & GTF_writing, 0u);
    auto device = mapped;
    device.flags = GNTMAP_device_map;
    EXPECT_EQ(unmap(device, true), GNTST_okay);
    expect_unused(8);
}

TEST_F(GrantTest, UnmapAndReplaceMovesTheOtherEntry)
{
    permit(8);
    auto const mapped = map(8, 1);
    Mfn const own = host::guest_page(*mapper_);
    {
        Guard guard(mapper_->mmu_lock);
        Budget budget = Budget::unlimited();
        MappingRights const rights{*mapper_, mapper_->id()};
        ASSERT_TRUE(update_entry(rights, l1_, FrameType::L1, 2, to_address(own).raw() | pte::kPresent | pte::kWritable,
                                 UpdateKind::Normal, budget));
    }
    abi::gnttab_unmap_and_replace operation{};
    operation.host_addr = address(1);
    operation.new_addr = address(2);
    operation.handle = mapped.handle;
    grant::PendingUnmap pending;
    ASSERT_EQ(grant::begin_replace(vcpu(), operation, pending), GNTST_okay);
    grant::finish_unmaps(vcpu(), std::span(&pending, 1));
    EXPECT_EQ(entry(1) & pte::kAddress, to_address(own).raw());
    EXPECT_EQ(entry(2), 0u);
    expect_unused(8);
}

TEST_F(GrantTest, HandlesRunOutCleanly)
{
    DomainSettings settings;
    settings.max_maptrack_frames = 0;
    Domain& poor = host::make_domain(settings, 1);
    permit(8);
    shared(8).domid = poor.id().raw();
    abi::gnttab_map_grant_ref operation{};
    operation.flags = GNTMAP_device_map;
    operation.ref = 8;
    operation.dom = granter_->id().raw();
    EXPECT_EQ(grant::Mapper(*poor.vcpus[0]).map(operation), GNTST_no_space);
    expect_unused(8);
    host::destroy(poor);
}

TEST_F(GrantTest, DeathOfTheMapperReleasesEverything)
{
    permit(8);
    for (unsigned index = 0; index < 200; ++index)
        ASSERT_EQ(map(8, index, index % 2 != 0 ? GNTMAP_host_map : GNTMAP_host_map | GNTMAP_readonly).status,
                  GNTST_okay);
    host::make_current(host::kToolCpu, nullptr);
    end(*mapper_);
    expect_unused(8);
}

TEST_F(GrantTest, DeathOfTheGranterKeepsMappedFramesUntilTheyAreUnmapped)
{
    permit(8);
    auto const mapped = map(8, 1);
    ASSERT_EQ(mapped.status, GNTST_okay);
    DomainId const id = granter_->id();
    end(*granter_);
    EXPECT_TRUE(find_domain(id)) << "a shell as long as its frame is mapped";
    EXPECT_EQ(port::frame_data(page_)[100], std::byte{0x5a});
    EXPECT_EQ(map(8, 2).status, GNTST_bad_domain);
    EXPECT_EQ(unmap(mapped), GNTST_okay);
    EXPECT_FALSE(find_domain(id));
}

TEST_F(GrantTest, TableGrowsToItsLimitAndNotBeyond)
{
    EXPECT_EQ(granter_->grants->frame_count(), 1u);
    EXPECT_TRUE(granter_->grants->grow(64));
    EXPECT_EQ(granter_->grants->frame_count(), 64u);
    EXPECT_EQ(granter_->grants->grow(65).error(), Errno::Inval);
    EXPECT_TRUE(grant_frame(*granter_, 0, 63));
    EXPECT_EQ(grant_frame(*granter_, 0, 64).error(), Errno::Inval);
    EXPECT_EQ(grant_frame(*granter_, 1, 0).error(), Errno::Inval) << "version 1 has no status frames";
    EXPECT_EQ(map(512 * 64 - 1, 1).status, GNTST_general_error) << "the last entry exists";
}

TEST_F(GrantTest, UnusedEntriesCanBeSwapped)
{
    permit(8);
    auto const mapped = map(8, 1);
    EXPECT_EQ(granter_->grants->swap(GrantRef{8}, GrantRef{9}), GNTST_eagain);
    EXPECT_EQ(unmap(mapped), GNTST_okay);
    EXPECT_EQ(granter_->grants->swap(GrantRef{8}, GrantRef{9}), GNTST_okay);
    EXPECT_EQ(shared(8).flags, 0u);
    EXPECT_EQ(shared(9).flags, GTF_permit_access);
    EXPECT_EQ(granter_->grants->swap(GrantRef{8}, GrantRef{512}), GNTST_bad_gntref);
}

} // namespace
} // namespace hv
