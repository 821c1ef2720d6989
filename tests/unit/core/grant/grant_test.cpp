// SPDX-License-Identifier: MIT
// Grants: mapping, revoking, copying, versions, and what is left when domains die.
#include "machine_test.hpp"

#include <core/grant/grant_operations.hpp>
#include <core/mm/page_table.hpp>
#include <core/mm/pte.hpp>

#include <cstring>

namespace hv
{
namespace
{

constexpr std::uint64_t kBase = 0x0000700000000000; // where the mapper's tables have an L1

class GrantTest : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        granter_ = &domain();
        mapper_ = &domain();
        build_tables();
        page_ = host::guest_page(*granter_);
        std::memset(port::frame_data(page_), 0x5a, kPageSize);
        host::make_current(host::kToolCpu, mapper_->vcpus[0]);
    }

    void TearDown() override
    {
        host::make_current(host::kToolCpu, nullptr);
        MachineTest::TearDown();
    }

    void build_tables()
    {
        Mfn tables[4];
        for (Mfn& table : tables)
            table = host::guest_page(*mapper_);
        for (int level = 3; level >= 1; --level)
        {
            std::uint64_t const index = kBase >> (12 + 9 * level) & 511;
            entries(tables[3 - level])[index] =
                to_address(tables[4 - level]).raw() | pte::kPresent | pte::kWritable | pte::kUser | pte::kAccessed;
        }
        Budget budget = Budget::unlimited();
        Guard guard(mapper_->mmu_lock);
        ASSERT_TRUE(get_table(*mapper_, tables[0], FrameType::L4, budget));
        vcpu().pv.kernel_root = tables[0];
        l1_ = tables[3];
    }

    static std::uint64_t* entries(Mfn table) { return reinterpret_cast<std::uint64_t*>(port::frame_data(table)); }
    Vcpu& vcpu() { return *mapper_->vcpus[0]; }
    [[nodiscard]] std::uint64_t entry(unsigned index) const { return entries(l1_)[index]; }
    static std::uint64_t address(unsigned index) { return kBase + index * kPageSize; }

    abi::grant_entry_v1& shared(std::uint32_t ref)
    {
        return reinterpret_cast<abi::grant_entry_v1*>(port::frame_data(granter_->grants->shared_frame(0).value()))[ref];
    }
    void permit(std::uint32_t ref, std::uint16_t flags = 0)
    {
        shared(ref).domid = mapper_->id().raw();
        shared(ref).frame = static_cast<std::uint32_t>(page_.raw());
        shared(ref).flags = static_cast<std::uint16_t>(GTF_permit_access | flags);
    }

    abi::gnttab_map_grant_ref map(std::uint32_t ref, unsigned index, std::uint32_t flags = GNTMAP_host_map)
    {
        abi::gnttab_map_grant_ref operation{};
        operation.host_addr = address(index);
        operation.flags = flags;
        operation.ref = ref;
        operation.dom = granter_->id().raw();
        operation.status = grant::map(vcpu(), operation);
        return operation;
    }

    GrantStatus unmap(abi::gnttab_map_grant_ref const& mapped, bool device = false)
    {
        abi::gnttab_unmap_grant_ref operation{};
        operation.host_addr = (mapped.flags & GNTMAP_host_map) != 0 ? mapped.host_addr : 0;
        operation.dev_bus_addr = device ? mapped.dev_bus_addr : 0;
        operation.handle = mapped.handle;
        grant::PendingUnmap pending;
        GrantStatus const status = grant::begin_unmap(vcpu(), operation, pending);
        if (status == GNTST_okay)
            grant::finish_unmaps(vcpu(), std::span(&pending, 1));
        return status;
    }

    void expect_unused(std::uint32_t ref)
    {
        EXPECT_EQ(shared(ref).flags & (GTF_reading | GTF_writing), 0u);
        EXPECT_EQ(frame_info(page_)->count(), 1u);
        EXPECT_EQ(frame_info(page_)->type_count(), 0u);
    }

    Domain* granter_ = nullptr;
    Domain* mapper_ = nullptr;
    Mfn page_{};
    Mfn l1_{};
};

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
    EXPECT_EQ(grant::map(vcpu(), operation), GNTST_bad_domain);
    operation.flags = 0;
    EXPECT_NE(grant::map(vcpu(), operation), GNTST_okay);
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
    EXPECT_EQ(grant::map(vcpu(), operation), GNTST_general_error);
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
    EXPECT_NE(grant::map(vcpu(), operation), GNTST_okay) << "not aligned";
    operation.host_addr = to_address(page_).raw();
    EXPECT_NE(grant::map(vcpu(), operation), GNTST_okay) << "not a page table of the mapper";
    expect_unused(8);
    operation.host_addr = to_address(l1_).raw() + 5 * 8;
    ASSERT_EQ(grant::map(vcpu(), operation), GNTST_okay);
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
    EXPECT_EQ(grant::map(*poor.vcpus[0], operation), GNTST_no_space);
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

class GrantCopyTest : public GrantTest
{
protected:
    abi::gnttab_copy copy_from(std::uint32_t ref, std::uint16_t from, Mfn to, std::uint16_t at, std::uint16_t length)
    {
        abi::gnttab_copy operation{};
        operation.source.u.ref = ref;
        operation.source.domid = granter_->id().raw();
        operation.source.offset = from;
        operation.dest.u.gmfn = mapper_->expose(to).raw();
        operation.dest.domid = DOMID_SELF;
        operation.dest.offset = at;
        operation.len = length;
        operation.flags = GNTCOPY_source_gref;
        operation.status = grant::copy(vcpu(), operation);
        return operation;
    }
};

TEST_F(GrantCopyTest, BytesArriveAndNothingStaysInUse)
{
    permit(8, GTF_readonly);
    Mfn const own = host::guest_page(*mapper_);
    port::frame_data(page_)[4095] = std::byte{0x77};
    EXPECT_EQ(copy_from(8, 4000, own, 10, 96).status, GNTST_okay);
    EXPECT_EQ(port::frame_data(own)[9], std::byte{0});
    EXPECT_EQ(port::frame_data(own)[10], std::byte{0x5a});
    EXPECT_EQ(port::frame_data(own)[105], std::byte{0x77});
    EXPECT_EQ(port::frame_data(own)[106], std::byte{0});
    expect_unused(8);
    EXPECT_EQ(frame_info(own)->count(), 1u);
}

TEST_F(GrantCopyTest, BoundsAndRightsAreChecked)
{
    permit(8, GTF_readonly);
    Mfn const own = host::guest_page(*mapper_);
    EXPECT_EQ(copy_from(8, 4000, own, 0, 97).status, GNTST_bad_copy_arg);
    EXPECT_EQ(copy_from(8, 0, own, 4095, 2).status, GNTST_bad_copy_arg);
    EXPECT_EQ(copy_from(8, 0, page_, 0, 2).status, GNTST_bad_page) << "not the caller's frame";
    EXPECT_EQ(copy_from(8, 0, l1_, 0, 2).status, GNTST_bad_page) << "a page table is never written";
    abi::gnttab_copy backwards{};
    backwards.source.u.gmfn = own.raw();
    backwards.source.domid = DOMID_SELF;
    backwards.dest.u.ref = 8;
    backwards.dest.domid = granter_->id().raw();
    backwards.len = 16;
    backwards.flags = GNTCOPY_dest_gref;
    EXPECT_EQ(grant::copy(vcpu(), backwards), GNTST_general_error) << "granted for reading only";
    backwards.flags = 0;
    EXPECT_EQ(grant::copy(vcpu(), backwards), GNTST_permission_denied) << "another domain's frame without a grant";
    expect_unused(8);
}

class GrantVersionTest : public GrantCopyTest
{
protected:
    abi::grant_entry_v2& shared_v2(std::uint32_t ref)
    {
        return reinterpret_cast<abi::grant_entry_v2*>(port::frame_data(granter_->grants->shared_frame(0).value()))[ref];
    }
    std::uint16_t& status_word(std::uint32_t ref)
    {
        return reinterpret_cast<std::uint16_t*>(port::frame_data(granter_->grants->status_frame(0).value()))[ref];
    }
    void permit_v2(std::uint32_t ref, std::uint16_t flags = 0)
    {
        shared_v2(ref).full_page.frame = page_.raw();
        shared_v2(ref).hdr.domid = mapper_->id().raw();
        shared_v2(ref).hdr.flags = static_cast<std::uint16_t>(GTF_permit_access | flags);
    }
};

TEST_F(GrantVersionTest, ReservedEntriesSurviveTheChangeBothWays)
{
    permit(1);
    permit(8);
    auto const store = map(1, 1);
    ASSERT_EQ(store.status, GNTST_okay);
    EXPECT_TRUE(granter_->grants->set_version(2));
    EXPECT_EQ(granter_->grants->version(), 2u);
    EXPECT_EQ(shared_v2(1).full_page.frame, page_.raw());
    EXPECT_EQ(shared_v2(1).hdr.flags, GTF_permit_access);
    EXPECT_EQ(status_word(1), GTF_reading | GTF_writing);
    EXPECT_EQ(shared_v2(8).hdr.flags, 0u);
    EXPECT_TRUE(granter_->grants->set_version(1));
    EXPECT_EQ(shared(1).flags, GTF_permit_access | GTF_reading | GTF_writing);
    EXPECT_EQ(unmap(store), GNTST_okay);
    expect_unused(1);
}

TEST_F(GrantVersionTest, ChangeIsRefusedWhileOtherGrantsAreInUse)
{
    permit(8);
    auto const mapped = map(8, 1);
    EXPECT_EQ(granter_->grants->set_version(2).error(), Errno::Busy);
    EXPECT_EQ(unmap(mapped), GNTST_okay);
    EXPECT_TRUE(granter_->grants->set_version(2));
    Mfn const status = granter_->grants->status_frame(0).value();
    ASSERT_TRUE(get_frame(status, granter_->id())); // the guest has it mapped
    EXPECT_EQ(granter_->grants->set_version(1).error(), Errno::Busy);
    put_frame(status);
    EXPECT_TRUE(granter_->grants->set_version(1));
    EXPECT_EQ(granter_->grants->set_version(3).error(), Errno::Inval);
}

TEST_F(GrantVersionTest, DomainLimitedToVersion1StaysThere)
{
    DomainSettings settings;
    settings.max_grant_version = 1;
    Domain& old = host::make_domain(settings, 1);
    EXPECT_EQ(old.grants->set_version(2).error(), Errno::NoSys);
    host::destroy(old);
}

TEST_F(GrantVersionTest, Version2MapsAndCountsInStatusWords)
{
    ASSERT_TRUE(granter_->grants->set_version(2));
    permit_v2(20);
    auto const mapped = map(20, 1);
    ASSERT_EQ(mapped.status, GNTST_okay);
    EXPECT_EQ(status_word(20), GTF_reading | GTF_writing);
    EXPECT_EQ(shared_v2(20).hdr.flags, GTF_permit_access) << "the guest's word is left alone";
    EXPECT_EQ(unmap(mapped), GNTST_okay);
    EXPECT_EQ(status_word(20), 0u);
    EXPECT_EQ(map(256, 1).status, GNTST_bad_gntref) << "half as many entries to a frame";
}

TEST_F(GrantVersionTest, PartOfAPageCanBeCopiedButNotMapped)
{
    ASSERT_TRUE(granter_->grants->set_version(2));
    permit_v2(20, GTF_sub_page);
    shared_v2(20).sub_page.page_off = 100;
    shared_v2(20).sub_page.length = 50;
    Mfn const own = host::guest_page(*mapper_);
    EXPECT_EQ(map(20, 1).status, GNTST_general_error);
    EXPECT_EQ(copy_from(20, 100, own, 0, 50).status, GNTST_okay);
    EXPECT_EQ(copy_from(20, 100, own, 0, 51).status, GNTST_general_error);
    EXPECT_EQ(copy_from(20, 99, own, 0, 10).status, GNTST_general_error);
    EXPECT_EQ(status_word(20), 0u);
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
