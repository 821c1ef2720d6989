// SPDX-License-Identifier: MIT
// Domains for tests: made, started and ended as the tools do it.
#include "state.hpp"

#include <core/mm/allocator.hpp>
#include <core/sched/scheduler.hpp>

#include <cstdio>
#include <cstdlib>

namespace hv::host
{

Domain& make_domain(DomainSettings settings, unsigned vcpus)
{
    boot();
    settings.max_vcpus = vcpus;
    Domain& domain = *create_domain(settings.control ? 0 : ~0u, settings).value();
    domain.max_pages = kFrames;
    for (unsigned number = 0; number < vcpus; ++number)
        (void)create_vcpu(domain).value();
    return domain;
}

Domain& make_domain(unsigned vcpus, bool control)
{
    DomainSettings settings;
    settings.control = control;
    return make_domain(settings, vcpus);
}

void start(Domain& domain)
{
    for (std::uint32_t id = 0; id < domain.vcpu_count; ++id)
    {
        domain.vcpus[id]->initialised = true;
        vcpu_up(*domain.vcpus[id]);
    }
    domain_unpause_by_controller(domain).value();
}

void destroy(Domain& domain)
{
    domain.control = false; // only a test may end the control domain
    for (int round = 0; round < 100000; ++round)
    {
        Budget budget(100000);
        auto const ended = destroy_domain(domain, budget);
        if (ended)
        {
            domain_release(domain);
            return;
        }
        if (ended.error() != Errno::Restart)
            ended.value();
    }
    std::fprintf(stderr, "destroying a domain does not end\n");
    std::abort();
}

Mfn guest_page(Domain& domain)
{
    return allocate_domain_frames(domain, 0).value();
}

} // namespace hv::host
