// SPDX-License-Identifier: MIT
// The two 8259 interrupt controllers, which this machine does without.
#pragma once

namespace hv
{

// Moves their vectors out of the exceptions' way and masks every line.
void silence_pic();

} // namespace hv
