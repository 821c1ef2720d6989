// SPDX-License-Identifier: MIT
// Grants: copying, and the two layouts of entries.
#include "grant_fixture.hpp"

namespace hv
{
namespace
{

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
    EXPECT_EQ(grant::Copier(vcpu().domain()).copy(backwards), GNTST_general_error) << "granted for reading only";
    backwards.flags = 0;
    EXPECT_EQ(grant::Copier(vcpu().domain()).copy(backwards), GNTST_permission_denied)
        << "another domain's frame without a grant";
    expect_unused(8);
}

// What the operations of one list find open depends on names, on their kinds and on what became of those before.
TEST_F(GrantCopyTest, EndsStayOpenForTheSameNamesOnly)
{
    permit(8, GTF_readonly);
    permit(9, GTF_readonly);
    Mfn const other = host::guest_page(*granter_);
    std::memset(port::frame_data(other), 0x33, kPageSize);
    shared(9).frame = static_cast<std::uint32_t>(other.raw());
    Mfn const own = host::guest_page(*mapper_);
    abi::gnttab_copy const first = copy_from(8, 0, own, 0, 16);
    {
        grant::Copier copier(vcpu().domain());
        EXPECT_EQ(copier.copy(first), GNTST_okay);
        EXPECT_EQ(frame_info(page_)->count(), 2u);
        abi::gnttab_copy next = first;
        next.source.offset = 4090;
        EXPECT_EQ(copier.copy(next), GNTST_bad_copy_arg);
        next = first;
        next.source.u.ref = 9;
        EXPECT_EQ(copier.copy(next), GNTST_okay);
        EXPECT_EQ(port::frame_data(own)[0], std::byte{0x33});
        EXPECT_EQ(frame_info(page_)->count(), 1u) << "the first page was given back";
        next = first;
        next.dest.u.gmfn = l1_.raw();
        EXPECT_EQ(copier.copy(next), GNTST_bad_page);
        EXPECT_EQ(copier.copy(next), GNTST_bad_page);
        EXPECT_EQ(copier.copy(first), GNTST_okay) << "whatever failed before";
        EXPECT_EQ(port::frame_data(own)[0], std::byte{0x5a});
        next = first;
        next.flags = 0;
        EXPECT_EQ(copier.copy(next), GNTST_permission_denied) << "the same number as a frame";
        next.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
        EXPECT_NE(copier.copy(next), GNTST_okay) << "the frame's number as a reference";
        next = first;
        next.source.domid = mapper_->id().raw();
        EXPECT_EQ(copier.copy(next), GNTST_general_error) << "the same reference of another domain";
        EXPECT_EQ(copier.copy(first), GNTST_okay);
    }
    expect_unused(8);
    EXPECT_EQ(shared(9).flags, GTF_permit_access | GTF_readonly);
    EXPECT_EQ(frame_info(own)->count(), 1u);
    EXPECT_EQ(frame_info(other)->count(), 1u);
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

TEST_F(GrantVersionTest, NoEntryComesWithoutItsStatus)
{
    // With a frame for the table left but none for the status of its entries, the table grew, and the status of the new ones
    // was read and written through a frame number that was never filled in.
    ASSERT_TRUE(granter_->grants->set_version(2));
    std::uint32_t const per_status = kPageSize / sizeof(std::uint16_t);
    std::uint32_t const full =
        per_status / (kPageSize / sizeof(abi::grant_entry_v2)); // frames that one status frame serves
    ASSERT_TRUE(granter_->grants->grow(full));
    std::vector<Mfn> taken;
    while (free_frames() > 1)
    {
        taken.push_back(allocate_frames(0));
        ASSERT_NE(taken.back(), kInvalidMfn);
    }
    EXPECT_EQ(granter_->grants->grow(full + 1).error(), Errno::NoMem);
    EXPECT_EQ(granter_->grants->shared_frame(full).error(), Errno::Inval);
    for (Mfn const frame : taken)
        free_frames(frame, 0);
    EXPECT_TRUE(granter_->grants->grow(full + 1));
    EXPECT_TRUE(granter_->grants->status_frame(1));
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

// A third domain between granter and mapper passes on what it was granted.
class TransitiveGrantTest : public GrantVersionTest
{
protected:
    void SetUp() override
    {
        GrantVersionTest::SetUp();
        middle_ = &domain();
        ASSERT_TRUE(middle_->grants->set_version(2));
        ASSERT_TRUE(granter_->grants->set_version(2));
        permit_v2(20, GTF_readonly);
        shared_v2(20).hdr.domid = middle_->id().raw();
        pass_on(30, 20);
    }
    abi::grant_entry_v2& entry_of_middle(std::uint32_t ref)
    {
        return reinterpret_cast<abi::grant_entry_v2*>(port::frame_data(middle_->grants->shared_frame(0).value()))[ref];
    }
    std::uint16_t status_of_middle(std::uint32_t ref)
    {
        return reinterpret_cast<std::uint16_t*>(port::frame_data(middle_->grants->status_frame(0).value()))[ref];
    }
    void pass_on(std::uint32_t ref, std::uint32_t behind, std::uint16_t flags = 0)
    {
        entry_of_middle(ref).transitive.trans_domid = granter_->id().raw();
        entry_of_middle(ref).transitive.gref = behind;
        entry_of_middle(ref).hdr.domid = mapper_->id().raw();
        entry_of_middle(ref).hdr.flags = static_cast<std::uint16_t>(GTF_transitive | flags);
    }
    GrantStatus copy_through(std::uint32_t ref, Mfn to)
    {
        abi::gnttab_copy operation{};
        operation.source.u.ref = ref;
        operation.source.domid = middle_->id().raw();
        operation.dest.u.gmfn = mapper_->expose(to).raw();
        operation.dest.domid = DOMID_SELF;
        operation.len = 16;
        operation.flags = GNTCOPY_source_gref;
        return grant::Copier(vcpu().domain()).copy(operation);
    }

    Domain* middle_ = nullptr;
};

TEST_F(TransitiveGrantTest, BytesArriveThroughTwoDomainsAndNothingStaysInUse)
{
    Mfn const own = host::guest_page(*mapper_);
    EXPECT_EQ(copy_through(30, own), GNTST_okay);
    EXPECT_EQ(port::frame_data(own)[15], std::byte{0x5a});
    EXPECT_EQ(status_word(20), 0u);
    EXPECT_EQ(status_of_middle(30), 0u);
    EXPECT_EQ(frame_info(page_)->count(), 1u);
}

TEST_F(TransitiveGrantTest, RightsOfBothStepsCount)
{
    Mfn const own = host::guest_page(*mapper_);
    abi::gnttab_copy write{};
    write.source.u.gmfn = mapper_->expose(own).raw();
    write.source.domid = DOMID_SELF;
    write.dest.u.ref = 30;
    write.dest.domid = middle_->id().raw();
    write.len = 16;
    write.flags = GNTCOPY_dest_gref;
    EXPECT_EQ(grant::Copier(vcpu().domain()).copy(write), GNTST_general_error) << "the grant behind is for reading";
    permit_v2(20);
    shared_v2(20).hdr.domid = middle_->id().raw();
    pass_on(30, 20, GTF_readonly);
    EXPECT_EQ(grant::Copier(vcpu().domain()).copy(write), GNTST_general_error) << "it is passed on for reading";
    pass_on(30, 20);
    EXPECT_EQ(grant::Copier(vcpu().domain()).copy(write), GNTST_okay);
    shared_v2(20).hdr.domid = mapper_->id().raw();
    EXPECT_EQ(copy_through(30, own), GNTST_general_error) << "granted to the mapper, not to who passes it on";
    entry_of_middle(30).hdr.domid = granter_->id().raw();
    EXPECT_EQ(copy_through(30, own), GNTST_general_error) << "passed on to somebody else";
    EXPECT_EQ(status_word(20), 0u);
    EXPECT_EQ(status_of_middle(30), 0u);
    EXPECT_EQ(frame_info(page_)->count(), 1u);
}

TEST_F(TransitiveGrantTest, CannotBeMappedNorPassedOnAgain)
{
    abi::gnttab_map_grant_ref operation{};
    operation.host_addr = address(1);
    operation.flags = GNTMAP_host_map | GNTMAP_readonly;
    operation.ref = 30;
    operation.dom = middle_->id().raw();
    EXPECT_EQ(grant::Mapper(vcpu()).map(operation), GNTST_general_error);
    Mfn const own = host::guest_page(*mapper_);
    pass_on(31, 30);
    entry_of_middle(31).transitive.trans_domid = middle_->id().raw();
    EXPECT_EQ(copy_through(31, own), GNTST_general_error);
    entry_of_middle(31).transitive.trans_domid = 0x7ff0;
    EXPECT_EQ(copy_through(31, own), GNTST_bad_domain);
    entry_of_middle(31).transitive.trans_domid = granter_->id().raw();
    entry_of_middle(31).transitive.gref = 0xffffffff;
    EXPECT_EQ(copy_through(31, own), GNTST_bad_gntref);
    EXPECT_EQ(status_of_middle(31), 0u);
    EXPECT_TRUE(middle_->grants->set_version(1)) << "nothing is in use";
}

} // namespace
} // namespace hv
