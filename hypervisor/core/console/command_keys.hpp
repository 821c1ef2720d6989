// SPDX-License-Identifier: MIT
// What an operator can ask the hypervisor itself: keys typed on its console, or sent by the tools (`xl debug-keys`).
#pragma once

namespace hv
{

// Carries one key out; the answer goes to the console as errors do, so that every log level shows it. Unknown keys say so.
// Any CPU, interrupts off, no lock held. Some keys end the machine and do not return.
void command_key(char key);

} // namespace hv
