// SPDX-License-Identifier: MIT
// Opens the control interface, keeps what the library says for error messages, and wraps the calls on domains.
#include "hypervisor/hypervisor.hpp"

#include "base/error.hpp"
#include "hypervisor/library_log.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <unistd.h>

namespace vm
{
namespace
{

constexpr unsigned kMaxDomains = 0x7ff0;
constexpr unsigned kListBatch = 1024;

DomainInfo convert(xc_domaininfo_t const& raw)
{
    DomainInfo info;
    info.id = raw.domain;
    std::memcpy(info.uuid.data(), raw.handle, info.uuid.size());
    info.dying = raw.flags & XEN_DOMINF_dying;
    info.shut_down = raw.flags & XEN_DOMINF_shutdown;
    info.paused = raw.flags & XEN_DOMINF_paused;
    info.blocked = raw.flags & XEN_DOMINF_blocked;
    info.running = raw.flags & XEN_DOMINF_running;
    info.hvm = raw.flags & XEN_DOMINF_hvm_guest;
    info.reason = static_cast<ShutdownReason>(raw.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask);
    info.pages = raw.tot_pages;
    info.max_memory_kib = raw.max_pages * (kPageSize / 1024);
    info.cpu_time_ns = raw.cpu_time;
    info.online_vcpus = raw.nr_online_vcpus;
    info.max_vcpus = raw.max_vcpu_id == XEN_INVALID_MAX_VCPU_ID ? 0 : raw.max_vcpu_id + 1;
    return info;
}

} // namespace

std::string to_string(ShutdownReason reason)
{
    switch (reason)
    {
    case ShutdownReason::PowerOff: return "poweroff";
    case ShutdownReason::Reboot: return "reboot";
    case ShutdownReason::Suspend: return "suspend";
    case ShutdownReason::Crash: return "crash";
    case ShutdownReason::Watchdog: return "watchdog";
    case ShutdownReason::SoftReset: return "soft-reset";
    }
    return "reason-" + std::to_string(static_cast<std::uint32_t>(reason));
}

std::string DomainInfo::state() const
{
    if (dying)
    {
        return "dying";
    }
    if (shut_down)
    {
        switch (reason)
        {
        case ShutdownReason::PowerOff: return "shutdown";
        case ShutdownReason::Reboot: return "rebooting";
        case ShutdownReason::Suspend: return "suspended";
        default: return "crashed";
        }
    }
    if (paused)
    {
        return "paused";
    }
    return running ? "running" : "blocked";
}

Hypervisor::Hypervisor() : log_(std::make_unique<LibraryLog>())
{
    if (::access("/proc/xen/privcmd", F_OK) != 0 && ::access("/dev/xen/privcmd", F_OK) != 0)
    {
        throw Error(ExitCode::Unreachable, "there is no hypervisor below this system",
                    "run vmctl in the control domain, with xenfs mounted or /dev/xen/privcmd present");
    }
    handle_ = xc_interface_open(log_->logger(), log_->logger(), XC_OPENFLAG_NON_REENTRANT);
    if (!handle_)
    {
        int const error_number = errno;
        if (error_number == EACCES || error_number == EPERM)
        {
            throw Error(ExitCode::Denied, "the control interface of the hypervisor refused access",
                        "run vmctl as root");
        }
        throw Error(ExitCode::Unreachable,
                    std::string("the control interface of the hypervisor cannot be opened: ") +
                        std::strerror(error_number),
                    "is this the control domain?");
    }
}

Hypervisor::~Hypervisor()
{
    xc_interface_close(handle_);
}

Error Hypervisor::error(std::string const& what, std::string hint) const
{
    int const error_number = errno;
    std::string cause = what + ": " + std::strerror(error_number);
    std::string const said = log_->take_errors();
    if (!said.empty())
    {
        cause += " (" + said + ")";
    }
    return {exit_code_of_errno(error_number), cause, std::move(hint)};
}

std::string Hypervisor::take_library_errors() const
{
    return log_->take_errors();
}

std::optional<DomainInfo> Hypervisor::domain(DomainId id) const
{
    xc_domaininfo_t raw = {};
    int const count = xc_domain_getinfolist(handle_, id, 1, &raw);
    if (count < 0)
    {
        throw error("reading the state of domain " + std::to_string(id));
    }
    if (count == 0 || raw.domain != id)
    {
        return std::nullopt;
    }
    return convert(raw);
}

std::vector<DomainInfo> Hypervisor::domains() const
{
    std::vector<DomainInfo> result;
    std::vector<xc_domaininfo_t> raw(kListBatch);
    DomainId first = 0;
    while (first < kMaxDomains)
    {
        int const count = xc_domain_getinfolist(handle_, first, kListBatch, raw.data());
        if (count < 0)
        {
            throw error("listing the domains");
        }
        for (int index = 0; index < count; ++index)
        {
            result.push_back(convert(raw[static_cast<std::size_t>(index)]));
        }
        if (static_cast<unsigned>(count) < kListBatch)
        {
            break;
        }
        first = result.back().id + 1;
    }
    return result;
}

DomainId Hypervisor::create(NewDomain const& request) const
{
    xen_domctl_createdomain config = {};
    std::memcpy(config.handle, request.uuid.data(), request.uuid.size());
    config.max_vcpus = request.max_vcpus;
    config.max_evtchn_port = request.max_event_channels;
    config.max_grant_frames = request.max_grant_frames;
    config.max_maptrack_frames = request.max_maptrack_frames;
    xc_physinfo_t physical = {};
    if (xc_physinfo(handle_, &physical) != 0)
    {
        throw error("reading what the host offers");
    }
    bool const second = physical.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v2;
    config.grant_opts = XEN_DOMCTL_GRANT_version(second ? 2 : 1);
    DomainId id = 0; // 0 asks for any free number
    if (xc_domain_create(handle_, &id, &config) != 0)
    {
        throw error("creating the domain");
    }
    return id;
}

void Hypervisor::set_vcpus(DomainId id, std::uint32_t count) const
{
    if (xc_domain_max_vcpus(handle_, id, count) != 0)
    {
        throw error("giving the domain " + std::to_string(count) + " vCPUs");
    }
}

void Hypervisor::set_max_memory(DomainId id, std::uint64_t kib) const
{
    if (xc_domain_setmaxmem(handle_, id, kib) != 0)
    {
        throw error("setting the memory limit to " + std::to_string(kib) + " KiB");
    }
}

void Hypervisor::set_memory_map(DomainId id, std::uint64_t kib) const
{
    e820entry entry = {};
    entry.size = kib << 10;
    entry.type = 1; // RAM
    if (xc_domain_set_memory_map(handle_, id, &entry, 1) != 0)
    {
        throw error("setting the memory map");
    }
}

void Hypervisor::check_cpus(std::vector<std::uint32_t> const& cpus) const
{
    int const available = xc_get_max_cpus(handle_);
    if (available <= 0)
    {
        throw error("reading the number of CPUs");
    }
    for (std::uint32_t const cpu : cpus)
    {
        if (cpu >= static_cast<std::uint32_t>(available))
        {
            throw Error(ExitCode::Usage,
                        "cpus names CPU " + std::to_string(cpu) + ", but the host has " + std::to_string(available),
                        "name CPUs from 0 to " + std::to_string(available - 1));
        }
    }
}

void Hypervisor::set_affinity(DomainId id, std::uint32_t vcpu, std::vector<std::uint32_t> const& cpus) const
{
    check_cpus(cpus);
    std::unique_ptr<std::uint8_t, decltype(&std::free)> const map(xc_cpumap_alloc(handle_), &std::free);
    if (!map)
    {
        throw error("reading the number of CPUs");
    }
    for (std::uint32_t const cpu : cpus)
    {
        xc_cpumap_setcpu(static_cast<int>(cpu), map.get());
    }
    if (xc_vcpu_setaffinity(handle_, id, static_cast<int>(vcpu), map.get(), nullptr, XEN_VCPUAFFINITY_HARD) != 0)
    {
        throw error("binding vCPU " + std::to_string(vcpu) + " to its CPUs");
    }
}

void Hypervisor::set_scheduling(DomainId id, std::optional<std::uint32_t> weight,
                                std::optional<std::uint32_t> cap) const
{
    xen_domctl_sched_credit2 parameters = {};
    if (xc_sched_credit2_domain_get(handle_, id, &parameters) != 0)
    {
        throw error("reading the scheduler's parameters", "weight and cap need a credit2 scheduler");
    }
    parameters.weight = static_cast<std::uint16_t>(weight.value_or(parameters.weight));
    parameters.cap = static_cast<std::uint16_t>(cap.value_or(parameters.cap));
    if (xc_sched_credit2_domain_set(handle_, id, &parameters) != 0)
    {
        throw error("setting the scheduler's parameters");
    }
}

void Hypervisor::apply_default_cpu_policy(DomainId id) const
{
    if (xc_cpuid_apply_policy(handle_, id, false, nullptr, 0, true, false, false, nullptr, nullptr) != 0)
    {
        throw error("setting the CPU features the guest sees");
    }
}

std::uint32_t Hypervisor::allocate_event_channel(DomainId id, DomainId remote) const
{
    auto const port = xc_evtchn_alloc_unbound(handle_, id, remote);
    if (port < 0)
    {
        throw error("allocating an event channel");
    }
    return static_cast<std::uint32_t>(port);
}

void Hypervisor::pause(DomainId id) const
{
    if (xc_domain_pause(handle_, id) != 0)
    {
        throw error("pausing domain " + std::to_string(id));
    }
}

void Hypervisor::unpause(DomainId id) const
{
    if (xc_domain_unpause(handle_, id) != 0)
    {
        throw error("resuming domain " + std::to_string(id));
    }
}

void Hypervisor::destroy(DomainId id) const
{
    if (xc_domain_destroy(handle_, id) != 0 && errno != ESRCH)
    {
        throw error("destroying domain " + std::to_string(id));
    }
}

} // namespace vm
