// SPDX-License-Identifier: MIT
// Where a domain's contexts are loaded.
#include <core/domain/loaded_cpus.hpp>

#include <lib/atomic.hpp>

namespace hv
{

CpuMask loaded_cpus(Domain const& domain)
{
    full_barrier(); // the entry's change is visible before we look where vCPUs are
    std::uint64_t cpus = 0;
    std::uint32_t const count = load_acquire(domain.vcpu_count);
    for (std::uint32_t id = 0; id < count; ++id)
        if (std::uint32_t const cpu = load_acquire(domain.vcpus[id]->loaded_cpu); cpu != kNotLoaded)
            cpus |= 1ull << cpu;
    return CpuMask{cpus};
}

} // namespace hv
