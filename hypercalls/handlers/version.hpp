// SPDX-License-Identifier: MIT
// xen_version: what this hypervisor is and offers (surface 3.9).
#pragma once

#include <hypercalls/abi/xen.hpp>
#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

// The top-level call; sub-operation 0 is answered here, since Linux makes it on every interrupt enable.
CallResult xen_version_call(Caller& caller, std::uint64_t number, std::uint64_t argument, std::uint64_t extra);

namespace xen_version
{

CallResult version(Caller& caller);
CallResult extraversion(Caller& caller, abi::xen_extraversion_t& out);
CallResult compile_info(Caller& caller, abi::xen_compile_info& out);
CallResult capabilities(Caller& caller, abi::xen_capabilities_info_t& out);
CallResult changeset(Caller& caller, abi::xen_changeset_info_t& out);
CallResult platform_parameters(Caller& caller, abi::xen_platform_parameters& out);
CallResult get_features(Caller& caller, abi::xen_feature_info& info);
CallResult page_size(Caller& caller, std::uint64_t argument);
CallResult guest_handle(Caller& caller, abi::xen_domain_handle_t& out);
CallResult command_line(Caller& caller, abi::xen_commandline_t& out);
CallResult build_id(Caller& caller, std::uint64_t argument);

} // namespace xen_version
} // namespace hv::handlers
