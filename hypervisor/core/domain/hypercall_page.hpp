// SPDX-License-Identifier: MIT
// The page of hypercall stubs that older kernels ask for (surface.md 1.5).
#pragma once

#include <core/domain/domain.hpp>

namespace hv
{

// Fills the frame, which the domain must be able to write. Inval, Busy.
Result<void> write_hypercall_page(Domain& domain, GuestFrame frame);
void fill_hypercall_page(std::byte* page);

} // namespace hv
