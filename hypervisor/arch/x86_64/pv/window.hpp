// SPDX-License-Identifier: MIT
// Loading a vCPU's descriptor window into this CPU.
#pragma once

#include <core/domain/vcpu.hpp>

namespace hv
{

void load_window_gdt(Vcpu const& vcpu);
void load_window_ldt(Vcpu const& vcpu); // lldt, or a null selector without an LDT

// The frame behind an address of our image.
Mfn frame_of_image(void const* address);

} // namespace hv
