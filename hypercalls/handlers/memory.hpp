// SPDX-License-Identifier: MIT
// memory_op.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

// args[0]: operation in bits 5..0, and above it, in a restarted call of ours, how many extents are done.
CallResult memory_op_call(Caller& caller, std::uint64_t operation, std::uint64_t argument);

namespace memory_op
{
CallResult increase_reservation(Caller& caller, abi::xen_memory_reservation const& args, std::uint64_t start);
CallResult decrease_reservation(Caller& caller, abi::xen_memory_reservation const& args, std::uint64_t start);
CallResult populate_physmap(Caller& caller, abi::xen_memory_reservation const& args, std::uint64_t start);
CallResult maximum_ram_page(Caller& caller);
CallResult current_reservation(Caller& caller, abi::domid_t const& id);
CallResult maximum_reservation(Caller& caller, abi::domid_t const& id);
CallResult maximum_gpfn(Caller& caller, abi::domid_t const& id);
CallResult machphys_mfn_list(Caller& caller, abi::xen_machphys_mfn_list& args);
CallResult machphys_mapping(Caller& caller, abi::xen_machphys_mapping& args);
CallResult memory_map(Caller& caller, abi::xen_memory_map& args);
CallResult machine_memory_map(Caller& caller, abi::xen_memory_map& args);
CallResult set_memory_map(Caller& caller, abi::xen_foreign_memory_map const& args);
CallResult exchange(Caller& caller, abi::xen_memory_exchange& args);
CallResult claim_pages(Caller& caller, abi::xen_memory_reservation const& args);
CallResult get_vnumainfo(Caller& caller, std::uint64_t);
CallResult reserved_device_memory_map(Caller& caller, abi::xen_reserved_device_memory_map& args);
CallResult acquire_resource(Caller& caller, abi::xen_mem_acquire_resource& args);
} // namespace memory_op

// The domain that a memory operation names: the caller's own for everybody, any for the control domain. Perm, Srch.
Result<void> find_subject(Caller& caller, abi::domid_t id, DomainRef& subject);

} // namespace hv::handlers
