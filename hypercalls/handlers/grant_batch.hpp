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

// Calls `one(element, place)` for each element that could be read; `place` is where it lies. Fault, Restart, or whatever error
// `one` returns.
template<AbiSafe T, typename F>
CallResult for_each_grant_element(Caller& caller, std::uint64_t array, std::uint64_t length, F&& one)
{
    std::uint32_t left = HV_TRY(grant_batch_size(length));
    if (left == 0)
        return 0;
    for (GuestVirtual place{array};; place = place + sizeof(T))
    {
        T element;
        HV_REQUIRE(read_object(element, place), Errno::Fault);
        HV_TRY_VOID(one(element, place));
        bool const exhausted = caller.spend(kGrantOperationCost);
        if (--left == 0)
            break;
        if (exhausted) [[unlikely]]
        {
            caller.resume_with(1, place.raw() + sizeof(T));
            caller.resume_with(2, left);
            return Errno::Restart;
        }
    }
    return 0;
}

// Calls `act(T&)` for each element and writes it back.
template<AbiSafe T, typename F>
CallResult for_each_grant_operation(Caller& caller, std::uint64_t array, std::uint64_t length, F&& act)
{
    return for_each_grant_element<T>(caller, array, length, [&](T& element, GuestVirtual place) -> Result<void> {
        HV_TRY_VOID(act(element));
        HV_REQUIRE(write_object(place, element), Errno::Fault);
        return {};
    });
}

// Calls `act(T const&)`, which returns a status, for each element and writes that back alone.
template<AbiSafe T, typename F>
CallResult for_each_grant_status(Caller& caller, std::uint64_t array, std::uint64_t length, F&& act)
{
    return for_each_grant_element<T>(caller, array, length, [&](T const& element, GuestVirtual place) -> Result<void> {
        auto const status = static_cast<std::uint16_t>(act(element));
        HV_REQUIRE(port::update_short_in_guest(place, offsetof(T, status), status), Errno::Fault);
        return {};
    });
}

} // namespace hv::handlers
