// SPDX-License-Identifier: MIT
// What boot hands over to: supplied by the code that builds the control domain and by the entry code.
#pragma once

#include <arch/x86_64/boot/boot_info.hpp>

namespace hv
{

// Boot CPU, when everything of the platform works and all other CPUs wait in cpu_idle_loop().
void start_machine(BootInfo const& info);

// Where a CPU goes when it has nothing to run. Each CPU enters it once on its own stack.
[[noreturn]] void cpu_idle_loop();

} // namespace hv
