// SPDX-License-Identifier: MIT
// A hypercall as a guest makes it, without the registers of an entry.
#pragma once

#include <hypercalls/dispatch/hypercall.hpp>

namespace hv
{

// Argument registers rdi, rsi, rdx, r10, r8, r9.
struct HypercallArgs
{
    std::uint64_t value[6];
};

// Counts and carries out a call of the vCPU; ENOSYS for unknown numbers. Restart: args hold where to go on.
inline CallResult dispatch_hypercall(Vcpu& vcpu, std::uint64_t number, HypercallArgs& args)
{
    Caller caller(vcpu);
    CallResult const result =
        call_row(clamped(number), args.value[0], args.value[1], args.value[2], args.value[3], args.value[4], caller);
    if (!result && result.error() == Errno::Restart)
        caller.for_each_resumed([&args](unsigned index, std::uint64_t value) { args.value[index] = value; });
    return result;
}

} // namespace hv
