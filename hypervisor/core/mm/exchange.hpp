// SPDX-License-Identifier: MIT
// Trading frames of a domain for others.
#pragma once

#include <core/domain/domain.hpp>

#include <span>

namespace hv
{

// Takes the frames `in` from the domain, each of which only its allocation may refer to, and gives it blocks of 2^order
// frames below 1 << address_bits instead, zeroed: all, or nothing changes. `in.size() == out.size() << order`.
// Inval: a frame is not the domain's; Busy: a frame is in use; NoMem: no such block is free.
Result<void> exchange_frames(Domain& domain, std::span<Mfn const> in, std::span<Mfn> out, unsigned order,
                             unsigned address_bits);

} // namespace hv
