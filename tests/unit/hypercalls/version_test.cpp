// SPDX-License-Identifier: MIT
// xen_version and the debug register calls as guests make them: through the table, with buffers in guest memory.
#include <core/policy/version_facts.hpp>
#include <core/trace/count.hpp>

#include <hypercall.hpp>
#include <machine_test.hpp>

#include <cstring>
#include <string>

namespace hv
{
namespace
{

class Version : public host::MachineTest
{
protected:
    // The call's result as rax would hold it.
    std::int64_t call(Domain& caller_domain, std::uint64_t operation, std::uint64_t argument = 0)
    {
        HypercallArgs args{{operation, argument, 0, 0, 0, 0}};
        CallResult const result = dispatch_hypercall(*caller_domain.vcpu(0), __HYPERVISOR_xen_version, args);
        return result ? *result : -static_cast<std::int64_t>(result.error());
    }
    std::int64_t debug(Domain& caller_domain, std::uint64_t call, std::uint64_t number, std::uint64_t value)
    {
        HypercallArgs args{{number, value, 0, 0, 0, 0}};
        CallResult const result = dispatch_hypercall(*caller_domain.vcpu(0), call, args);
        return result ? *result : -static_cast<std::int64_t>(result.error());
    }
    // Fills a guest buffer of N bytes with 0xff, makes the call, and checks that text and zeros replace all of it.
    template<std::size_t N>
    std::string text(Domain& caller_domain, std::uint64_t operation)
    {
        struct Buffer
        {
            char bytes[N];
            char guard[8];
        };
        auto* const buffer = host::guest_new<Buffer>();
        std::memset(buffer, 0xff, sizeof *buffer);
        EXPECT_EQ(call(caller_domain, operation, host::guest_address(buffer)), 0);
        std::size_t const length = strnlen(buffer->bytes, N);
        EXPECT_LT(length, N);
        for (std::size_t i = length; i < N; ++i)
            EXPECT_EQ(buffer->bytes[i], 0) << "at " << i; // XSA-122: nothing of ours behind the text
        for (char const guard : buffer->guard)
            EXPECT_EQ(guard, static_cast<char>(0xff));
        return {buffer->bytes, length};
    }
};

TEST_F(Version, IsFourSeventeenAndCounted)
{
    Domain& guest = domain();
    EXPECT_EQ(call(guest, XENVER_version), 0x00040011);
    EXPECT_EQ(call(guest, 0xabcd00000000 | XENVER_version), 0x00040011); // the number is an int
    EXPECT_EQ(guest.vcpu(0)->counters[static_cast<unsigned>(Counter::Op_xen_version_version)], 2u);
}

TEST_F(Version, TextsAreZeroFilled)
{
    Domain& guest = domain();
    EXPECT_EQ(text<16>(guest, XENVER_extraversion)[0], '.');
    EXPECT_NE(text<1024>(guest, XENVER_capabilities).find("xen-3.0-x86_64"), std::string::npos);
    EXPECT_FALSE(text<64>(guest, XENVER_changeset).empty());
    auto* const info = host::guest_new<abi::xen_compile_info>();
    std::memset(info, 0xff, sizeof *info);
    EXPECT_EQ(call(guest, XENVER_compile_info, host::guest_address(info)), 0);
    EXPECT_EQ(info->compiler[sizeof info->compiler - 1], 0);
    EXPECT_EQ(info->compile_date[sizeof info->compile_date - 1], 0);
    EXPECT_LT(strnlen(info->compile_by, sizeof info->compile_by), sizeof info->compile_by);
}

TEST_F(Version, CommandLineIsForTheControlDomain)
{
    policy::set_version_facts({"dom0_mem=512M secret=1", {}});
    EXPECT_EQ(text<1024>(domain(1, true), XENVER_commandline), "dom0_mem=512M secret=1");
    EXPECT_EQ(text<1024>(domain(), XENVER_commandline), "<denied>");
    policy::set_version_facts({});
}

TEST_F(Version, FeaturesOfAGuestAndOfTheControlDomain)
{
    Domain& guest = domain();
    auto* const info = host::guest_new<abi::xen_feature_info>({0, 0});
    EXPECT_EQ(call(guest, XENVER_get_features, host::guest_address(info)), 0);
    auto const has = [&](unsigned feature) { return (info->submap >> feature & 1) != 0; };
    EXPECT_TRUE(has(XENFEAT_mmu_pt_update_preserve_ad));
    EXPECT_TRUE(has(XENFEAT_highmem_assist));
    EXPECT_TRUE(has(XENFEAT_gnttab_map_avail_bits));
    EXPECT_FALSE(has(XENFEAT_writable_page_tables));
    EXPECT_FALSE(has(XENFEAT_auto_translated_physmap));
    EXPECT_FALSE(has(XENFEAT_supervisor_mode_kernel));
    EXPECT_FALSE(has(XENFEAT_pae_pgdir_above_4gb));
    EXPECT_FALSE(has(XENFEAT_dom0));
    guest.vm_assist |= 1u << VMASST_TYPE_pae_extended_cr3;
    EXPECT_EQ(call(guest, XENVER_get_features, host::guest_address(info)), 0);
    EXPECT_TRUE(has(XENFEAT_pae_pgdir_above_4gb));
    EXPECT_EQ(call(domain(1, true), XENVER_get_features, host::guest_address(info)), 0);
    EXPECT_TRUE(has(XENFEAT_dom0));
    *info = {1, 0x55};
    EXPECT_EQ(call(guest, XENVER_get_features, host::guest_address(info)), -EINVAL);
    EXPECT_EQ(info->submap, 0x55u);
}

TEST_F(Version, Numbers)
{
    Domain& guest = domain();
    EXPECT_EQ(call(guest, XENVER_pagesize), 4096);
    EXPECT_EQ(call(guest, XENVER_pagesize, 8), -EINVAL);
    auto* const parameters = host::guest_new<abi::xen_platform_parameters>();
    EXPECT_EQ(call(guest, XENVER_platform_parameters, host::guest_address(parameters)), 0);
    EXPECT_EQ(parameters->virt_start, 0xffff800000000000u);
    guest.handle = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    auto* const handle = host::guest_new<std::array<std::uint8_t, 16>>();
    EXPECT_EQ(call(guest, XENVER_guest_handle, host::guest_address(handle)), 0);
    EXPECT_EQ(*handle, guest.handle);
    EXPECT_EQ(call(guest, 11), -ENOSYS);
    EXPECT_EQ(call(guest, ~0ull), -ENOSYS);
    EXPECT_EQ(call(guest, XENVER_extraversion, 0x10), -EFAULT);
    EXPECT_EQ(call(guest, XENVER_get_features, kHypervisorStart), -EFAULT);
}

TEST_F(Version, BuildId)
{
    static constexpr std::uint8_t kId[] = {0xde, 0xad, 0xbe, 0xef};
    Domain& control = domain(1, true);
    EXPECT_EQ(call(control, XENVER_build_id), -ENODATA);
    policy::set_version_facts({"", kId});
    EXPECT_EQ(call(control, XENVER_build_id), 4);
    struct Buffer
    {
        std::uint32_t length;
        std::uint8_t bytes[8];
    };
    auto* const buffer = host::guest_new<Buffer>({4, {}});
    EXPECT_EQ(call(control, XENVER_build_id, host::guest_address(buffer)), 4);
    EXPECT_EQ(std::memcmp(buffer->bytes, kId, sizeof kId), 0);
    EXPECT_EQ(buffer->bytes[4], 0);
    buffer->length = 3;
    EXPECT_EQ(call(control, XENVER_build_id, host::guest_address(buffer)), -ENOBUFS);
    buffer->length = 0;
    EXPECT_EQ(call(control, XENVER_build_id, host::guest_address(buffer)), -EINVAL);
    EXPECT_EQ(call(domain(), XENVER_build_id), -EPERM);
    policy::set_version_facts({});
}

TEST_F(Version, DebugRegisterCalls)
{
    Domain& guest = domain();
    EXPECT_EQ(debug(guest, __HYPERVISOR_set_debugreg, 0, 0x401000), 0);
    EXPECT_EQ(debug(guest, __HYPERVISOR_get_debugreg, 0, 0), 0x401000);
    EXPECT_EQ(debug(guest, __HYPERVISOR_set_debugreg, 1, kHypervisorStart), -EPERM);
    EXPECT_EQ(debug(guest, __HYPERVISOR_set_debugreg, 7, 1ull << 40), -EINVAL);
    EXPECT_EQ(debug(guest, __HYPERVISOR_set_debugreg, 9, 0), -ENODEV);
    EXPECT_EQ(debug(guest, __HYPERVISOR_get_debugreg, 9, 0), -ENODEV);
    EXPECT_EQ(debug(guest, __HYPERVISOR_get_debugreg, 7, 0), 0x400);
}

} // namespace
} // namespace hv
