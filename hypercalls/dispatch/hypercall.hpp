// SPDX-License-Identifier: MIT
// The top level of hypercalls: a row per number, and the few instructions that lead to it.
#pragma once

#include <core/trace/count.hpp>
#include <hypercalls/dispatch/caller.hpp>

#include <array>

namespace hv
{

// The first five argument registers stay where the guest put them, all the way to the handler.
using RegisterCall = CallResult (*)(std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t, Caller&);

// A handler takes the caller and as many registers as it has arguments.
template<auto kHandler>
CallResult call_with_registers(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t d, std::uint64_t,
                               Caller& caller)
{
    if constexpr (requires { kHandler(caller); })
        return kHandler(caller);
    else if constexpr (requires { kHandler(caller, a); })
        return kHandler(caller, a);
    else if constexpr (requires { kHandler(caller, a, b); })
        return kHandler(caller, a, b);
    else if constexpr (requires { kHandler(caller, a, b, c); })
        return kHandler(caller, a, b, c);
    else
        return kHandler(caller, a, b, c, d);
}

struct HypercallRow
{
    RegisterCall call = nullptr;
    std::uint16_t counter = 0; // Counter
};

inline constexpr std::uint64_t kHypercallNumbers = 64;
// One row per number, and one behind them for every number that does not exist: no row is without a function.
extern std::array<HypercallRow, kHypercallNumbers + 1> const kHypercallTable;

// The index of a number's row.
inline std::uint64_t clamped(std::uint64_t number)
{
    return number < kHypercallNumbers ? number : kHypercallNumbers;
}

// Counts and calls; `number` is clamped. FrameReplaced: an iret was carried out.
[[gnu::always_inline]] inline CallResult call_row(std::uint64_t number, std::uint64_t a, std::uint64_t b,
                                                  std::uint64_t c, std::uint64_t d, std::uint64_t e, Caller& caller)
{
    HypercallRow const& row = kHypercallTable[number];
    count(caller.vcpu(), static_cast<Counter>(row.counter));
    return row.call(a, b, c, d, e, caller);
}

namespace handlers
{
CallResult multicall(Caller& caller, std::uint64_t list, std::uint64_t count);
} // namespace handlers

} // namespace hv
