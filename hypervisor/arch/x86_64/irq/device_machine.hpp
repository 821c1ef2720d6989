// SPDX-License-Identifier: MIT
// Connects the core's control of devices to this machine.
#pragma once

namespace hv
{

// Boot CPU, after start_io_apics() and before any domain exists.
void start_device_machine();

} // namespace hv
