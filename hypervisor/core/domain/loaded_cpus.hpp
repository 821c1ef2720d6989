// SPDX-License-Identifier: MIT
// On which CPUs a domain's translations may be: whoever takes a mapping away asks here whom to flush.
#pragma once

#include <core/domain/domain.hpp>
#include <lib/cpu_mask.hpp>

namespace hv
{

// A vCPU's translations live only on the CPU where its context is loaded (Vcpu::loaded_cpu), also lazily while that CPU
// idles: loading a context starts with a full flush, so CPUs it left behind hold nothing that anybody could use. A vCPU
// being loaded elsewhere at this moment flushes after it announced its new place. Call it after the entry has changed.
CpuMask loaded_cpus(Domain const& domain);

} // namespace hv
