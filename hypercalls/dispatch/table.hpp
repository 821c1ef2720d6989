// SPDX-License-Identifier: MIT
// Turns the rows of hypercalls/table into arrays that dispatch indexes by operation number.
#pragma once

#include <hypercalls/dispatch/caller.hpp>

#include <cstdint>

namespace hv
{

enum class Direction : std::uint8_t
{
    None,
    In,
    Out,
    InOut,
    InOutAlways, // copied back with errors, too: what they are about
    Raw,
};

enum class Privilege : std::uint8_t
{
    Any,
    Control,
};

enum class Preemption : std::uint8_t
{
    NoPreempt,
    Preempt,
};

// The operation is passed on unused, so that the argument registers stay in place.
using SubOpThunk = CallResult (*)(std::uint64_t operation, std::uint64_t argument, std::uint64_t extra, Caller& caller);

struct SubOp
{
    SubOpThunk call = nullptr;
    std::uint16_t counter = 0; // row of core/trace/counters.hpp
};

namespace detail
{

// What stands behind the caller in a handler's parameters.
template<typename F>
struct Parameters;

template<typename... Rest>
struct Parameters<CallResult (*)(Caller&, Rest...)>
{
    static constexpr bool matches(Direction direction) { return direction == Direction::None; }
};

template<typename... Rest>
struct Parameters<CallResult (*)(Caller&, std::uint64_t, Rest...)>
{
    static constexpr bool matches(Direction direction)
    {
        return direction == Direction::Raw || (direction == Direction::None && sizeof...(Rest) == 0);
    }
};

template<AbiSafe T, typename... Rest>
struct Parameters<CallResult (*)(Caller&, T const&, Rest...)>
{
    using Object = T;
    static constexpr bool matches(Direction direction) { return direction == Direction::In; }
};

template<AbiSafe T, typename... Rest>
struct Parameters<CallResult (*)(Caller&, T&, Rest...)>
{
    using Object = T;
    static constexpr bool matches(Direction direction)
    {
        return direction == Direction::Out || direction == Direction::InOut || direction == Direction::InOutAlways;
    }
};

// Calls with or without the extra register, whichever the handler takes.
template<auto kHandler, typename... Argument>
CallResult call_handler(std::uint64_t extra, Caller& caller, Argument&... argument)
{
    if constexpr (requires { kHandler(caller, argument..., extra); })
        return kHandler(caller, argument..., extra);
    else
        return kHandler(caller, argument...);
}

} // namespace detail

template<auto kHandler, Direction kDirection, Privilege kPrivilege>
CallResult sub_op_thunk(std::uint64_t, std::uint64_t argument, std::uint64_t extra, Caller& caller)
{
    using Parameters = detail::Parameters<decltype(kHandler)>;
    static_assert(Parameters::matches(kDirection), "the row's direction does not fit the handler's signature");
    if (kPrivilege == Privilege::Control && !caller.is_control())
        return Errno::Perm;
    if constexpr (kDirection == Direction::None)
        return detail::call_handler<kHandler>(extra, caller);
    else if constexpr (kDirection == Direction::Raw)
        return detail::call_handler<kHandler>(extra, caller, argument);
    else
    {
        typename Parameters::Object value;
        if constexpr (kDirection == Direction::Out)
            __builtin_memset(&value, 0, sizeof(value)); // padding must not leak
        else if (!read_object(value, GuestVirtual{argument}))
            return Errno::Fault;
        CallResult const result = detail::call_handler<kHandler>(extra, caller, value);
        if constexpr (kDirection != Direction::In)
        {
            if (kDirection != Direction::InOutAlways && !result &&
                (kDirection == Direction::Out || result.error() != Errno::Restart))
                return result;
            if (!write_object(GuestVirtual{argument}, value))
                return Errno::Fault;
        }
        return result;
    }
}

} // namespace hv
