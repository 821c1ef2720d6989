// SPDX-License-Identifier: MIT
// grant_table_op: sharing pages between domains (surface 3.6). Arguments: sub-operation, array of structures, count.
#pragma once

#include <hypercalls/abi/xen.hpp>
#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

CallResult grant_table_op_call(Caller& caller, std::uint64_t operation, std::uint64_t argument, std::uint64_t count);

namespace grant_table_op
{

CallResult map(Caller& caller, std::uint64_t argument, std::uint64_t count);
CallResult unmap(Caller& caller, std::uint64_t argument, std::uint64_t count);
CallResult setup_table(Caller& caller, std::uint64_t argument, std::uint64_t count);
CallResult dump_table(Caller& caller, std::uint64_t argument, std::uint64_t count);
CallResult transfer(Caller& caller, std::uint64_t argument, std::uint64_t count);
CallResult copy(Caller& caller, std::uint64_t argument, std::uint64_t count);
CallResult query_size(Caller& caller, std::uint64_t argument, std::uint64_t count);
CallResult unmap_and_replace(Caller& caller, std::uint64_t argument, std::uint64_t count);
CallResult set_version(Caller& caller, std::uint64_t argument);
CallResult get_status_frames(Caller& caller, std::uint64_t argument, std::uint64_t count);
CallResult get_version(Caller& caller, std::uint64_t argument);
CallResult swap_grant_ref(Caller& caller, std::uint64_t argument, std::uint64_t count);
CallResult cache_flush(Caller& caller, std::uint64_t argument, std::uint64_t count);

} // namespace grant_table_op
} // namespace hv::handlers
