// SPDX-License-Identifier: MIT
// Two domains for tests of grants: one grants a page, the other has page tables to map it into.
#pragma once

#include "machine_test.hpp"

#include <core/grant/grant_operations.hpp>
#include <core/mm/page_table.hpp>
#include <core/mm/pte.hpp>

#include <cstring>

namespace hv
{

inline constexpr std::uint64_t kBase = 0x0000700000000000; // where the mapper's tables have an L1

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
        operation.status = grant::Mapper(vcpu()).map(operation);
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
        operation.status = grant::Copier(vcpu().domain()).copy(operation);
        return operation;
    }
};

} // namespace hv
