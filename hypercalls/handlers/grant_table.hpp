// SPDX-License-Identifier: MIT
// grant_table_op: sharing pages between domains (surface 3.6). Arguments: sub-operation, array of structures, count.
#pragma once

#include <hypercalls/abi/xen.hpp>
#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult grant_table_op_call(Caller& caller);

namespace grant_table_op
{

CallResult map(Caller& caller, std::uint64_t argument);
CallResult unmap(Caller& caller, std::uint64_t argument);
CallResult setup_table(Caller& caller, std::uint64_t argument);
CallResult dump_table(Caller& caller, std::uint64_t argument);
CallResult transfer(Caller& caller, std::uint64_t argument);
CallResult copy(Caller& caller, std::uint64_t argument);
CallResult query_size(Caller& caller, std::uint64_t argument);
CallResult unmap_and_replace(Caller& caller, std::uint64_t argument);
CallResult set_version(Caller& caller, std::uint64_t argument);
CallResult get_status_frames(Caller& caller, std::uint64_t argument);
CallResult get_version(Caller& caller, std::uint64_t argument);
CallResult swap_grant_ref(Caller& caller, std::uint64_t argument);
CallResult cache_flush(Caller& caller, std::uint64_t argument);

} // namespace grant_table_op
} // namespace hv::handlers
