// SPDX-License-Identifier: MIT
// Steps of the allocator that frame exchange is made of; used by core/mm only.
#pragma once

#include <core/domain/domain.hpp>

#include <span>

namespace hv
{

Mfn take_cleared_block(unsigned order, unsigned address_bits); // kInvalidMfn when there is none
void return_block(Mfn first, unsigned order);
// `out` blocks enter the domain's list in place of the withdrawn frames `in`, which are freed.
void replace_domain_frames(Domain& domain, std::span<Mfn const> in, std::span<Mfn const> out, unsigned order);

} // namespace hv
