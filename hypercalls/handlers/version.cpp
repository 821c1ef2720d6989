// SPDX-License-Identifier: MIT
// The sub-operations of xen_version. Every text goes out in a buffer that was all zero, so nothing of ours leaks.
#include <hypercalls/handlers/version.hpp>

#include <core/policy/version_facts.hpp>
#include <core/trace/count.hpp>
#include <hypercalls/dispatch/groups.hpp>

#include <cstddef>

#ifndef HV_EXTRAVERSION
#define HV_EXTRAVERSION ".0-tessera"
#endif
#ifndef HV_CHANGESET
#define HV_CHANGESET "unavailable"
#endif
#ifndef HV_COMPILE_BY
#define HV_COMPILE_BY "tessera"
#endif
#ifndef HV_COMPILE_DOMAIN
#define HV_COMPILE_DOMAIN "localdomain"
#endif

namespace hv::handlers
{
namespace
{

// Copies `text` into a zeroed buffer and keeps its last byte zero.
template<std::size_t N>
void fill(char (&out)[N], char const* text)
{
    for (std::size_t i = 0; i + 1 < N && text[i] != '\0'; ++i)
        out[i] = text[i];
}

static_assert(sizeof(HV_EXTRAVERSION) <= sizeof(abi::xen_extraversion_t));
static_assert(sizeof(HV_COMPILE_BY) <= sizeof(abi::xen_compile_info::compile_by));

constexpr std::uint32_t feature(unsigned bit)
{
    return 1u << bit;
}

constexpr std::uint32_t kPvFeatures = feature(XENFEAT_mmu_pt_update_preserve_ad) | feature(XENFEAT_highmem_assist) |
                                      feature(XENFEAT_gnttab_map_avail_bits) |
                                      feature(XENFEAT_memory_op_vnode_supported) | feature(XENFEAT_direct_mapped);

} // namespace

CallResult xen_version_call(Caller& caller, std::uint64_t number, std::uint64_t argument, std::uint64_t extra)
{
    auto const operation = static_cast<std::uint32_t>(number);
    if (operation == XENVER_version) [[likely]]
    {
        count(caller.vcpu(), Counter::Op_xen_version_version);
        return std::int64_t{policy::kAbiVersion};
    }
    return groups::xen_version(operation, argument, extra, caller);
}

namespace xen_version
{

CallResult version(Caller&)
{
    return std::int64_t{policy::kAbiVersion};
}

CallResult extraversion(Caller&, abi::xen_extraversion_t& out)
{
    fill(out, HV_EXTRAVERSION);
    return 0;
}

CallResult compile_info(Caller&, abi::xen_compile_info& out)
{
#if defined(__clang__)
    fill(out.compiler, "clang " __clang_version__);
#else
    fill(out.compiler, "gcc " __VERSION__);
#endif
    fill(out.compile_by, HV_COMPILE_BY);
    fill(out.compile_domain, HV_COMPILE_DOMAIN);
    fill(out.compile_date, __DATE__ " " __TIME__); // follows SOURCE_DATE_EPOCH
    return 0;
}

// The tools look for the tokens that name a kind of guest. We run 64-bit paravirtual ones.
CallResult capabilities(Caller&, abi::xen_capabilities_info_t& out)
{
    fill(out, "xen-3.0-x86_64 ");
    return 0;
}

CallResult changeset(Caller&, abi::xen_changeset_info_t& out)
{
    fill(out, HV_CHANGESET);
    return 0;
}

CallResult platform_parameters(Caller&, abi::xen_platform_parameters& out)
{
    out.virt_start = kHypervisorStart;
    return 0;
}

CallResult get_features(Caller& caller, abi::xen_feature_info& info)
{
    HV_REQUIRE(info.submap_idx < XENFEAT_NR_SUBMAPS, Errno::Inval);
    info.submap = kPvFeatures;
    if ((caller.domain().vm_assist & 1u << VMASST_TYPE_pae_extended_cr3) != 0)
        info.submap |= feature(XENFEAT_pae_pgdir_above_4gb);
    if (caller.is_control())
        info.submap |= feature(XENFEAT_dom0);
    return 0;
}

CallResult page_size(Caller&, std::uint64_t argument)
{
    HV_REQUIRE(argument == 0, Errno::Inval);
    return static_cast<std::int64_t>(kPageSize);
}

CallResult guest_handle(Caller& caller, abi::xen_domain_handle_t& out)
{
    auto const& handle = caller.domain().handle;
    for (std::size_t i = 0; i < handle.size(); ++i)
        out[i] = handle[i];
    return 0;
}

// Boot options may hold secrets of the host's owner, so only the control domain reads them.
CallResult command_line(Caller& caller, abi::xen_commandline_t& out)
{
    fill(out, caller.is_control() ? policy::version_facts().command_line : "<denied>");
    return 0;
}

// Without a buffer: the length. With one: as much as was asked for must fit.
CallResult build_id(Caller&, std::uint64_t argument)
{
    auto const id = policy::version_facts().build_id;
    HV_REQUIRE(!id.empty(), Errno::NoData);
    auto const length = static_cast<std::int64_t>(id.size());
    if (argument == 0)
        return length;
    std::uint32_t const room = HV_TRY(GuestIn<std::uint32_t>(argument).read());
    HV_REQUIRE(room != 0, Errno::Inval);
    HV_REQUIRE(room >= id.size(), Errno::NoBufs);
    GuestOut<std::uint8_t> const buffer(argument + offsetof(abi::xen_build_id, buf));
    HV_REQUIRE(buffer.write_array(id.data(), 0, id.size()), Errno::Fault);
    return length;
}

} // namespace xen_version
} // namespace hv::handlers
