// SPDX-License-Identifier: MIT
// The iret hypercall as the multicall sees it.
#pragma once

namespace hv
{
class Vcpu;
namespace port
{
// Replaces the current vCPU's frame as the iret hypercall does: the caller returns Errno::FrameReplaced.
void guest_iret(Vcpu& vcpu);
} // namespace port
} // namespace hv
