// SPDX-License-Identifier: MIT
// TLB flushes that guests ask for.
#include <hypercalls/handlers/mmu_flush.hpp>

#include <core/domain/loaded_cpus.hpp>

namespace hv::handlers
{

Result<CpuMask> cpus_of_vcpus(Caller& caller, std::uint64_t bitmap)
{
    Domain const& domain = caller.domain();
    std::uint8_t bytes[kMaxVcpus / 8] = {};
    if (!port::copy_from_guest(bytes, GuestVirtual{bitmap}, (domain.vcpu_count + 7) / 8))
        return Errno::Fault;
    full_barrier();
    CpuMask cpus;
    for (std::uint32_t id = 0; id < domain.vcpu_count; ++id)
    {
        if ((bytes[id / 8] >> (id % 8) & 1) == 0)
            continue;
        if (std::uint32_t const cpu = load_acquire(domain.vcpus[id]->loaded_cpu); cpu != kNotLoaded)
            cpus.set(CpuId{cpu});
    }
    return cpus;
}

Result<void> flush_for_mapping_elsewhere(Caller& caller, std::uint64_t address, std::uint64_t flags)
{
    std::uint64_t const type = flags & UVMF_FLUSHTYPE_MASK;
    if (type == UVMF_NONE)
        return {};
    std::uint64_t const scope = flags & ~UVMF_FLUSHTYPE_MASK;
    CpuMask cpus = CpuMask::of(port::cpu_id());
    if (scope == UVMF_ALL)
        cpus = loaded_cpus(caller.domain());
    else if (scope != UVMF_LOCAL)
        cpus = HV_TRY(cpus_of_vcpus(caller, scope));
    port::flush_tlb(cpus, type == UVMF_INVLPG ? port::Flush::Page : port::Flush::All, GuestVirtual{address});
    return {};
}

} // namespace hv::handlers
