// SPDX-License-Identifier: MIT
// Walking the arrays of grant_table_op: each element carries its own status, and long arrays are left and resumed.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

namespace hv::handlers
{

inline constexpr std::int32_t kGrantOperationCost = 16; // units of work

// The number of elements, or Inval when it does not fit the ABI's signed count.
inline Result<std::uint32_t> grant_batch_size(std::uint64_t length)
{
    std::uint64_t const count = length & 0xffffffff;
    HV_REQUIRE(count <= 0x7fffffff, Errno::Inval);
    return static_cast<std::uint32_t>(count);
}

// Makes the call resume behind its first `done` elements.
template<typename T>
void resume_grant_batch_at(Caller& caller, GuestIn<T> const& elements, std::uint32_t count, std::uint32_t done)
{
    caller.resume_with(1, elements.address(done).raw());
    caller.resume_with(2, count - done);
}

// Calls `act(T&)` for each element and writes it back. Fault, Restart, or whatever error `act` returns.
template<AbiSafe T, typename F>
CallResult for_each_grant_operation(Caller& caller, std::uint64_t array, std::uint64_t length, F&& act)
{
    std::uint32_t const count = HV_TRY(grant_batch_size(length));
    GuestInOut<T> const elements(array);
    for (std::uint32_t index = 0; index < count; ++index)
    {
        T element = HV_TRY(elements.read(index));
        HV_TRY_VOID(act(element));
        HV_TRY_VOID(elements.write(element, index));
        if (caller.spend(kGrantOperationCost) && index + 1 < count)
        {
            resume_grant_batch_at(caller, elements, count, index + 1);
            return Errno::Restart;
        }
    }
    return 0;
}

// The same for operations that say nothing but a status: only that is written back.
template<AbiSafe T, typename F>
CallResult for_each_grant_status(Caller& caller, std::uint64_t array, std::uint64_t length, F&& act)
{
    std::uint32_t const count = HV_TRY(grant_batch_size(length));
    GuestIn<T> const elements(array);
    for (std::uint32_t index = 0; index < count; ++index)
    {
        T element;
        GuestVirtual const place = elements.address(index);
        HV_REQUIRE(read_object(element, place), Errno::Fault);
        auto const status = static_cast<std::uint16_t>(act(element));
        HV_REQUIRE(port::store_short_to_guest(place + offsetof(T, status), status), Errno::Fault);
        if (caller.spend(kGrantOperationCost) && index + 1 < count)
        {
            resume_grant_batch_at(caller, elements, count, index + 1);
            return Errno::Restart;
        }
    }
    return 0;
}

} // namespace hv::handlers
