// SPDX-License-Identifier: MIT
// One table names every key, its help line and what it does.
#include <core/console/command_keys.hpp>

#include <core/domain/domain.hpp>
#include <core/domain/machine.hpp>
#include <core/mm/allocator.hpp>
#include <core/sched/scheduler.hpp>
#include <core/trace/last_hypercalls.hpp>
#include <lib/bug.hpp>
#include <lib/log.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

void help();

// A key as text; those that cannot be printed are shown as a dot.
struct KeyText
{
    explicit KeyText(char key) : text{key >= ' ' && key <= '~' ? key : '.', '\0'} {}
    char text[2];
};

char const* activity_name(VcpuActivity activity)
{
    switch (activity)
    {
    case VcpuActivity::Running: return "running";
    case VcpuActivity::Runnable: return "runnable";
    case VcpuActivity::Blocked: return "blocked";
    case VcpuActivity::Offline: return "offline";
    }
    return "?";
}

void list_vcpu(Vcpu const& vcpu)
{
    log_error("  vCPU {}: {}, upcall {}{}", vcpu.id(), activity_name(vcpu_activity(vcpu)),
              vcpu.info->evtchn_upcall_pending != 0 ? "pending" : "idle",
              vcpu.info->evtchn_upcall_mask != 0 ? ", masked" : "");
    log_last_hypercalls(vcpu);
}

// The vCPUs cannot be freed meanwhile: the reference keeps the domain.
void list_domains()
{
    for (std::uint32_t next = 0;;)
    {
        DomainRef const domain = next_domain(next);
        if (!domain)
            return;
        next = domain->id().raw() + 1u;
        log_error("Domain {}: {} of {} pages, {} vCPUs{}{}{}", domain->id(), domain->pages.count, domain->max_pages,
                  domain->vcpu_count, domain->life == Life::Dying ? ", dying" : "",
                  domain->shut_down ? ", shut down" : "", domain->controller_pause_count != 0 ? ", paused" : "");
        for (std::uint32_t id = 0; id < domain->vcpu_count; ++id)
            list_vcpu(*domain->vcpus[id]);
    }
}

void list_run_queues()
{
    for (std::uint32_t cpu = 0; cpu < port::online_cpus(); ++cpu)
    {
        SchedCounts const counts = sched_cpu_counts(CpuId{cpu});
        log_error("CPU {}: {} runnable, idle for {} ms so far", cpu, counts.runnable,
                  counts.idle_nanoseconds / 1'000'000);
    }
}

void show_memory()
{
    log_error("{} of {} frames are free", free_frames(), total_frames());
}

void show_registers()
{
    if (port::current() == nullptr)
        log_error("CPU {} is idle", port::cpu_id());
    else
        port::log_guest_state();
}

[[noreturn]] void fail()
{
    HV_BUG("asked for by a command key");
}

[[noreturn]] void reboot()
{
    machine_shutdown(SHUTDOWN_reboot);
}

struct CommandKey
{
    char key;
    void (*act)();
    char const* text;
};

constexpr CommandKey kKeys[] = {
    {'h', help, "this list"},
    {'d', show_registers, "registers of the guest on this CPU"},
    {'m', show_memory, "free memory"},
    {'q', list_domains, "domains, their vCPUs and what they called last"},
    {'r', list_run_queues, "run queues"},
    {'C', fail, "stop the machine as a bug of the hypervisor would"},
    {'R', reboot, "reboot the machine at once"},
};

void help()
{
    for (CommandKey const& command : kKeys)
        log_error("  {}  {}", KeyText(command.key).text, command.text);
}

} // namespace

void command_key(char key)
{
    for (CommandKey const& command : kKeys)
        if (command.key == key)
        {
            log_error("Key '{}': {}", KeyText(key).text, command.text);
            command.act();
            return;
        }
    log_error("No command key '{}'; 'h' lists them", KeyText(key).text);
}

} // namespace hv
