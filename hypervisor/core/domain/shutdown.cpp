// SPDX-License-Identifier: MIT
// Orderly and disorderly ends of a domain's run; its record stays for the tools to read.
#include <core/domain/lifecycle.hpp>

#include <core/domain/machine.hpp>
#include <core/evtchn/event_channels.hpp>
#include <core/sched/scheduler.hpp>
#include <lib/log.hpp>
#include <port/port.hpp>

namespace hv
{

void crash_domain(Domain& domain, char const* reason)
{
    log_error("domain {} crashed: {}", domain.id(), reason);
    if (Vcpu const* vcpu = port::current(); vcpu != nullptr && &vcpu->domain() == &domain)
        port::log_guest_state();
    shutdown_domain(domain, SHUTDOWN_crash);
}

void shutdown_domain(Domain& domain, std::uint32_t code)
{
    if (domain.control)
        machine_shutdown(code);
    {
        Guard guard(domain.lifecycle_lock);
        if (domain.shutting_down)
            return;
        domain.shutting_down = true;
        std::int32_t const latched = domain.latched_shutdown_code;
        domain.shutdown_code = latched >= 0 ? static_cast<std::uint32_t>(latched) : code;
    }
    domain_pause_nosync(domain); // ended by resume_domain
    shutdown_vcpu_descheduled(domain);
}

void shutdown_vcpu_descheduled(Domain& domain)
{
    if (!load_acquire(domain.shutting_down) || !domain_descheduled(domain))
        return;
    {
        Guard guard(domain.lifecycle_lock);
        if (!domain.shutting_down || domain.shut_down)
            return;
        store_release(domain.shut_down, true);
    }
    raise_global_virq(VIRQ_DOM_EXC);
}

void resume_domain(Domain& domain)
{
    {
        Guard guard(domain.lifecycle_lock);
        if (!domain.shutting_down)
            return;
        domain.shutting_down = domain.shut_down = false;
        domain.shutdown_code = 0;
    }
    domain_unpause(domain);
}

} // namespace hv
