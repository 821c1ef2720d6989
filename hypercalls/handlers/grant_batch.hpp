// SPDX-License-Identifier: MIT
// Walking the arrays of grant_table_op: each element carries its own status, and long arrays are left and resumed.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

inline constexpr std::int32_t kGrantOperationCost = 16; // units of work

// The number of elements, or Inval when it does not fit the ABI's signed count.
inline Result<std::uint32_t> grant_batch_size(Caller const& caller)
{
    std::uint64_t const count = caller.args.value[2] & 0xffffffff;
    HV_REQUIRE(count <= 0x7fffffff, Errno::Inval);
    return static_cast<std::uint32_t>(count);
}

// Makes the call resume behind its first `done` elements.
template<typename T>
void resume_grant_batch_at(Caller& caller, std::uint32_t done)
{
    caller.args.value[1] += done * sizeof(T);
    caller.args.value[2] -= done;
}

// Calls `act(T&)` for each element and writes it back. Fault, Restart, or whatever error `act` returns.
template<AbiSafe T, typename F>
CallResult for_each_grant_operation(Caller& caller, std::uint64_t array, F&& act)
{
    std::uint32_t const count = HV_TRY(grant_batch_size(caller));
    GuestInOut<T> const elements(array);
    for (std::uint32_t index = 0; index < count; ++index)
    {
        T element = HV_TRY(elements.read(index));
        HV_TRY_VOID(act(element));
        HV_TRY_VOID(elements.write(element, index));
        if (caller.spend(kGrantOperationCost) && index + 1 < count)
        {
            resume_grant_batch_at<T>(caller, index + 1);
            return Errno::Restart;
        }
    }
    return 0;
}

} // namespace hv::handlers
