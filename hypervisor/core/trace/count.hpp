// SPDX-License-Identifier: MIT
// Counting an entry: one increment in memory that only the vCPU's own CPU writes.
#pragma once

#include <core/domain/vcpu.hpp>
#include <core/trace/counters.hpp>

namespace hv
{

inline void count(Vcpu& vcpu, Counter counter)
{
    ++vcpu.counters[static_cast<unsigned>(counter)];
}

} // namespace hv
