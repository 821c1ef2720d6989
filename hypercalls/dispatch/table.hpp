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

using SubOpThunk = CallResult (*)(Caller&, std::uint64_t argument);

struct SubOp
{
    std::uint32_t number = 0;
    char const* name = nullptr;
    SubOpThunk call = nullptr; // nullptr: no such operation
    Privilege privilege = Privilege::Any;
    std::uint16_t counter = 0; // row of core/trace/counters.hpp
};

namespace detail
{

template<typename F>
struct HandlerTraits;

template<>
struct HandlerTraits<CallResult (*)(Caller&)>
{
    static constexpr bool matches(Direction direction) { return direction == Direction::None; }
    template<auto Handler, Direction>
    static CallResult call(Caller& caller, std::uint64_t)
    {
        return Handler(caller);
    }
};

template<>
struct HandlerTraits<CallResult (*)(Caller&, std::uint64_t)>
{
    static constexpr bool matches(Direction direction) { return direction == Direction::Raw; }
    template<auto Handler, Direction>
    static CallResult call(Caller& caller, std::uint64_t argument)
    {
        return Handler(caller, argument);
    }
};

template<AbiSafe T>
struct HandlerTraits<CallResult (*)(Caller&, T const&)>
{
    static constexpr bool matches(Direction direction) { return direction == Direction::In; }
    template<auto Handler, Direction>
    static CallResult call(Caller& caller, std::uint64_t argument)
    {
        T value;
        if (!read_object(value, GuestVirtual{argument}))
            return Errno::Fault;
        return Handler(caller, value);
    }
};

template<AbiSafe T>
struct HandlerTraits<CallResult (*)(Caller&, T&)>
{
    static constexpr bool matches(Direction direction)
    {
        return direction == Direction::Out || direction == Direction::InOut;
    }
    template<auto Handler, Direction kDirection>
    static CallResult call(Caller& caller, std::uint64_t argument)
    {
        T value{};
        if (kDirection == Direction::InOut && !read_object(value, GuestVirtual{argument}))
            return Errno::Fault;
        CallResult const result = Handler(caller, value);
        if (!result && (kDirection == Direction::Out || result.error() != Errno::Restart))
            return result;
        if (!write_object(GuestVirtual{argument}, value))
            return Errno::Fault;
        return result;
    }
};

} // namespace detail

template<auto Handler, Direction kDirection>
CallResult sub_op_thunk(Caller& caller, std::uint64_t argument)
{
    using Traits = detail::HandlerTraits<decltype(Handler)>;
    static_assert(Traits::matches(kDirection), "the row's direction does not fit the handler's signature");
    return Traits::template call<Handler, kDirection>(caller, argument);
}

} // namespace hv
