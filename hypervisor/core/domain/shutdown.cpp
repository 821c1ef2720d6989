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

namespace
{

// False when the domain's run has ended before.
bool begin_shutdown(Domain& domain, std::uint32_t code)
{
    {
        Guard guard(domain.lifecycle_lock);
        if (domain.shutting_down)
            return false;
        domain.shutting_down = true;
        std::int32_t const latched = domain.latched_shutdown_code;
        domain.shutdown_code = latched >= 0 ? static_cast<std::uint32_t>(latched) : code;
    }
    domain_pause_nosync(domain); // ended by resume_domain
    return true;
}

void report_crash(Domain const& domain, char const* reason)
{
    log_error("domain {} crashed: {}", domain.id(), reason);
    if (Vcpu const* vcpu = port::current(); vcpu != nullptr && &vcpu->domain() == &domain)
        port::log_guest_state();
}

} // namespace

void crash_domain(Domain& domain, char const* reason)
{
    if (domain.control)
    {
        report_crash(domain, reason);
        machine_shutdown(SHUTDOWN_crash);
    }
    // Once, and with the others stopped: a report takes a slow line long, and as many vCPUs as there are may crash at once.
    if (begin_shutdown(domain, SHUTDOWN_crash))
        report_crash(domain, reason);
    shutdown_vcpu_descheduled(domain);
}

void shutdown_domain(Domain& domain, std::uint32_t code)
{
    if (domain.control)
        machine_shutdown(code);
    begin_shutdown(domain, code);
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
