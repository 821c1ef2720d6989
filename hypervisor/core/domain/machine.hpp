// SPDX-License-Identifier: MIT
// What the control domain's end means for the machine.
#pragma once

#include <cstdint>

namespace hv
{

// `reason` is a SHUTDOWN_* code: power off, reboot, or after a crash what the command line says.
[[noreturn]] void machine_shutdown(std::uint32_t reason);

} // namespace hv
