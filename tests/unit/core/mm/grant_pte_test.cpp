// SPDX-License-Identifier: MIT
// Grant mappings in page tables: put in, taken out and replaced in both address forms, recounted at every step.
#include <guest.hpp>
#include <invariants.hpp>
#include <machine_test.hpp>

#include <core/grant/grant_table.hpp>

namespace hv
{
namespace
{

using host::Guest;
using host::kRead;
using host::kReadWrite;

constexpr std::uint32_t kReference = 9;
constexpr std::uint64_t kPlace = kPageSize; // where the mapper's own page is; address 0 tells unmap to leave the entry

class GrantEntries : public host::MachineTest
{
protected:
    void SetUp() override
    {
        MachineTest::SetUp();
        mapper_ = std::make_unique<Guest>(domain());
        granter_ = std::make_unique<Guest>(domain());
        for (Guest* const guest : {mapper_.get(), granter_.get()})
            guest->between = [] { EXPECT_INVARIANTS(); };
        own_ = mapper_->page();
        space_ = mapper_->space({mapper_->page(), own_});
        mapper_->run_on(space_);
        granted_ = granter_->page();
        grant(GTF_permit_access);
    }
    void TearDown() override
    {
        mapper_.reset();
        granter_.reset();
        MachineTest::TearDown();
    }
    void grant(std::uint16_t flags)
    {
        auto* const entries =
            reinterpret_cast<abi::grant_entry_v1*>(port::frame_data(grant_frame(granter_->domain(), 0, 0).value()));
        entries[kReference] = {flags, mapper_->id(), static_cast<std::uint32_t>(granted_.raw())};
    }
    abi::gnttab_map_grant_ref map(std::uint64_t address, std::uint32_t flags)
    {
        auto* const operation = host::guest_new<abi::gnttab_map_grant_ref>();
        operation->host_addr = address;
        operation->flags = flags;
        operation->ref = kReference;
        operation->dom = granter_->id();
        EXPECT_EQ(mapper_->call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, host::guest_address(operation), 1),
                  0);
        return *operation;
    }
    std::int16_t unmap(std::uint32_t handle, std::uint64_t address)
    {
        auto* const operation = host::guest_new<abi::gnttab_unmap_grant_ref>();
        operation->handle = handle;
        operation->host_addr = address;
        EXPECT_EQ(
            mapper_->call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, host::guest_address(operation), 1), 0);
        return operation->status;
    }
    std::int16_t replace(std::uint32_t handle, std::uint64_t address, std::uint64_t source)
    {
        auto* const operation = host::guest_new<abi::gnttab_unmap_and_replace>();
        operation->handle = handle;
        operation->host_addr = address;
        operation->new_addr = source;
        EXPECT_EQ(
            mapper_->call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_and_replace, host::guest_address(operation), 1),
            0);
        return operation->status;
    }
    [[nodiscard]] std::uint64_t slot(unsigned index) const { return (space_.l1.raw() << kPageShift) + index * 8; }

    std::unique_ptr<Guest> mapper_, granter_;
    Guest::Space space_{};
    Mfn own_{}, granted_{};
};

TEST_F(GrantEntries, AMappingReplacesTheEntryAndItsReferences)
{
    auto const mapped = map(kPlace, GNTMAP_host_map);
    ASSERT_EQ(mapped.status, GNTST_okay);
    EXPECT_EQ(frame_info(own_)->count(), 1u) << "the page that was mapped there is free of uses";
    EXPECT_EQ(pte::frame(Guest::entry(space_.l1, 1)), granted_);
    EXPECT_NE(Guest::entry(space_.l1, 1) & pte::kGrant, 0u);
    EXPECT_EQ(granter_->pin(granted_, 1), -EINVAL) << "written by another domain";
    EXPECT_EQ(unmap(mapped.handle, 2 * kPageSize), GNTST_general_error) << "not there";
    EXPECT_EQ(unmap(mapped.handle, kPlace), GNTST_okay);
    EXPECT_EQ(Guest::entry(space_.l1, 1), 0u);
    EXPECT_EQ(frame_info(granted_)->count(), 1u);
    EXPECT_EQ(unmap(mapped.handle, kPlace), GNTST_bad_handle);
}

TEST_F(GrantEntries, EntriesCanBeNamedByTheirMachineAddress)
{
    std::uint32_t const flags = GNTMAP_host_map | GNTMAP_application_map | GNTMAP_contains_pte;
    EXPECT_NE(map(slot(5) + 4, flags).status, GNTST_okay) << "XSA-227";
    EXPECT_NE(map(own_.raw() << kPageShift, flags).status, GNTST_okay) << "no page table";
    EXPECT_NE(map(space_.l2.raw() << kPageShift, flags).status, GNTST_okay) << "not of level 1";
    EXPECT_NE(map(granted_.raw() << kPageShift, flags).status, GNTST_okay) << "another domain's";
    EXPECT_NE(map(host::kFrames << kPageShift, flags).status, GNTST_okay);
    auto const mapped = map(slot(5), flags | GNTMAP_readonly);
    ASSERT_EQ(mapped.status, GNTST_okay);
    EXPECT_EQ(Guest::entry(space_.l1, 5) & (pte::kWritable | pte::kGuestKernel), 0u);
    EXPECT_EQ(frame_info(granted_)->type_count(), 0u);
    EXPECT_EQ(unmap(mapped.handle, slot(5)), GNTST_okay);
    EXPECT_INVARIANTS();
}

TEST_F(GrantEntries, TheGuestMayDropOrOverwriteAMappingButNotWidenIt)
{
    auto const mapped = map(kPlace, GNTMAP_host_map | GNTMAP_readonly);
    ASSERT_EQ(mapped.status, GNTST_okay);
    std::uint64_t const seen = Guest::entry(space_.l1, 1);
    EXPECT_EQ(mapper_->set_entry(space_.l1, 1, seen | pte::kWritable), -EBUSY);
    EXPECT_EQ(mapper_->set_entry(space_.l1, 4, seen), -EBUSY) << "no copy of it";
    EXPECT_EQ(mapper_->set_entry(space_.l1, 1, seen & ~pte::kAccessed), 0) << "flags alone may change";
    EXPECT_NE(Guest::entry(space_.l1, 1) & pte::kGrant, 0u);
    EXPECT_EQ(mapper_->set_entry(space_.l1, 1, pte::make(own_, kReadWrite)), 0);
    EXPECT_EQ(frame_info(granted_)->count(), 2u) << "the handle keeps its reference";
    EXPECT_EQ(unmap(mapped.handle, kPlace), GNTST_general_error) << "XSA-234: something else is there";
    EXPECT_EQ(frame_info(granted_)->count(), 2u);
    EXPECT_EQ(frame_info(own_)->type_count(), 1u);
}

TEST_F(GrantEntries, ReplacingMovesTheOtherEntryWithWhatItOwns)
{
    auto const mapped = map(5 * kPageSize, GNTMAP_host_map);
    ASSERT_EQ(mapped.status, GNTST_okay);
    std::uint64_t const moved = Guest::entry(space_.l1, 1);
    EXPECT_EQ(replace(mapped.handle, 5 * kPageSize, 5 * kPageSize), GNTST_general_error) << "by itself";
    EXPECT_EQ(replace(mapped.handle, 5 * kPageSize, kPlace), GNTST_okay);
    EXPECT_EQ(Guest::entry(space_.l1, 1), 0u);
    EXPECT_EQ(Guest::entry(space_.l1, 5), moved);
    EXPECT_EQ(frame_info(own_)->type_count(), 1u);
    EXPECT_EQ(frame_info(granted_)->count(), 1u);
}

TEST_F(GrantEntries, AMapperThatDiesLetsGo)
{
    Domain& dying = host::make_domain();
    Guest guest(dying);
    auto const space = guest.space({guest.page()});
    guest.run_on(space);
    auto* const entries =
        reinterpret_cast<abi::grant_entry_v1*>(port::frame_data(grant_frame(granter_->domain(), 0, 0).value()));
    entries[kReference] = {GTF_permit_access, guest.id(), static_cast<std::uint32_t>(granted_.raw())};
    auto* const operation = host::guest_new<abi::gnttab_map_grant_ref>();
    operation->flags = GNTMAP_host_map;
    operation->ref = kReference;
    operation->dom = granter_->id();
    ASSERT_EQ(guest.call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, host::guest_address(operation), 1), 0);
    ASSERT_EQ(operation->status, GNTST_okay);
    EXPECT_INVARIANTS();
    host::destroy(dying);
    EXPECT_EQ(frame_info(granted_)->count(), 1u);
    EXPECT_INVARIANTS();
}

} // namespace
} // namespace hv
