// SPDX-License-Identifier: MIT
// What a vCPU called last, for reports of crashes and panics.
#pragma once

namespace hv
{

class Vcpu;

// One line, the oldest call first: names of hypercalls with their first argument, which is the sub-operation of those
// that have one. Nothing when it made none. A racy look when the vCPU runs elsewhere.
void log_last_hypercalls(Vcpu const& vcpu);

} // namespace hv
