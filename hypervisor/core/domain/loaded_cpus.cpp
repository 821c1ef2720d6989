// SPDX-License-Identifier: MIT
// Where a domain's contexts are loaded.
#include <core/domain/loaded_cpus.hpp>

#include <lib/atomic.hpp>

namespace hv
{

CpuMask loaded_cpus(Domain const& domain)
{
    full_barrier(); // the entry's change is visible before we look where vCPUs are
    CpuMask cpus;
    for (std::uint32_t id = 0; id < load_acquire(domain.vcpu_count); ++id)
        if (std::uint32_t const cpu = load_acquire(domain.vcpus[id]->loaded_cpu); cpu != kNotLoaded)
            cpus.set(CpuId{cpu});
    return cpus;
}

} // namespace hv
