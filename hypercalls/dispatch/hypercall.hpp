// SPDX-License-Identifier: MIT
// The top level of hypercalls: a row per number, and the few instructions that lead to it.
#pragma once

#include <core/trace/count.hpp>
#include <hypercalls/dispatch/caller.hpp>

#include <array>

namespace hv
{

struct HypercallRow
{
    CallResult (*call)(Caller&) = nullptr;
    std::uint16_t counter = 0; // Counter
};

inline constexpr std::uint64_t kHypercallNumbers = 64;
// One row per number, and one behind them for every number that does not exist: no row is without a function.
extern std::array<HypercallRow, kHypercallNumbers + 1> const kHypercallTable;

// Counts and calls; ENOSYS for unknown numbers. Restart: args hold where to go on. FrameReplaced: an iret was carried out.
inline CallResult dispatch_hypercall(Vcpu& vcpu, std::uint64_t number, HypercallArgs& args)
{
    HypercallRow const& row = kHypercallTable[number < kHypercallNumbers ? number : kHypercallNumbers];
    count(vcpu, static_cast<Counter>(row.counter));
    Caller caller(vcpu, args);
    return row.call(caller);
}

namespace handlers
{
CallResult multicall(Caller& caller);
} // namespace handlers

} // namespace hv
