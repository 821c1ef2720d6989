// SPDX-License-Identifier: MIT
// What the hypervisor says about the host and itself, its log, and core dumps of guests.
#include "hypervisor/hypervisor.hpp"

#include "base/error.hpp"
#include "hypervisor/xen_libraries.hpp"

#include <cstdio>
#include <unistd.h>

namespace vm
{
namespace
{

constexpr unsigned kLogBuffer = 32 * 1024;

std::string scheduler_name(int id)
{
    switch (id)
    {
    case XEN_SCHEDULER_CREDIT: return "credit";
    case XEN_SCHEDULER_CREDIT2: return "credit2";
    case XEN_SCHEDULER_ARINC653: return "arinc653";
    case XEN_SCHEDULER_RTDS: return "rtds";
    case XEN_SCHEDULER_NULL: return "null";
    default: return "scheduler-" + std::to_string(id);
    }
}

/// One of the version call's strings, "" where the hypervisor withholds it.
template<typename Text>
std::string version_text(xc_interface* handle, int command)
{
    Text text = {};
    return xc_version(handle, command, &text) < 0 ? std::string() : std::string(text);
}

} // namespace

HostInfo Hypervisor::host_info() const
{
    HostInfo host;
    int const version = xc_version(handle_, XENVER_version, nullptr);
    if (version < 0)
    {
        throw error("reading the hypervisor's version");
    }
    host.extra_version = version_text<xen_extraversion_t>(handle_, XENVER_extraversion);
    host.version = std::to_string(version >> 16) + "." + std::to_string(version & 0xffff) + host.extra_version;
    host.capabilities = version_text<xen_capabilities_info_t>(handle_, XENVER_capabilities);
    host.changeset = version_text<xen_changeset_info_t>(handle_, XENVER_changeset);
    host.command_line = version_text<xen_commandline_t>(handle_, XENVER_commandline);
    xen_compile_info_t compile = {};
    if (xc_version(handle_, XENVER_compile_info, &compile) >= 0)
    {
        host.compiler = compile.compiler;
        host.compile_date = compile.compile_date;
    }
    xc_physinfo_t physical = {};
    if (xc_physinfo(handle_, &physical) != 0)
    {
        throw error("reading what the host offers");
    }
    host.cpus = physical.nr_cpus;
    host.nodes = physical.nr_nodes;
    host.threads_per_core = physical.threads_per_core;
    host.cores_per_socket = physical.cores_per_socket;
    host.cpu_khz = physical.cpu_khz;
    host.total_pages = physical.total_pages;
    host.free_pages = physical.free_pages;
    host.scrub_pages = physical.scrub_pages;
    host.outstanding_pages = physical.outstanding_pages;
    host.grants_v2 = physical.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v2;
    int scheduler = 0;
    if (xc_sched_id(handle_, &scheduler) == 0)
    {
        host.scheduler = scheduler_name(scheduler);
    }
    return host;
}

std::uint64_t Hypervisor::free_pages() const
{
    xc_physinfo_t physical = {};
    if (xc_physinfo(handle_, &physical) != 0)
    {
        throw error("reading the host's free memory");
    }
    std::uint64_t const free = physical.free_pages + physical.scrub_pages;
    return free > physical.outstanding_pages ? free - physical.outstanding_pages : 0;
}

std::uint64_t Hypervisor::total_pages() const
{
    xc_physinfo_t physical = {};
    if (xc_physinfo(handle_, &physical) != 0)
    {
        throw error("reading the host's memory");
    }
    return physical.total_pages;
}

std::string Hypervisor::read_log(bool clear) const
{
    std::string log;
    std::string buffer(kLogBuffer, '\0');
    std::uint32_t index = 0;
    for (;;)
    {
        unsigned count = kLogBuffer;
        if (xc_readconsolering(handle_, buffer.data(), &count, 0, 1, &index) != 0)
        {
            throw error("reading the hypervisor's log");
        }
        if (count == 0)
        {
            break;
        }
        log.append(buffer, 0, count);
    }
    if (clear)
    {
        unsigned count = kLogBuffer;
        if (xc_readconsolering(handle_, buffer.data(), &count, 1, 0, nullptr) != 0)
        {
            throw error("clearing the hypervisor's log");
        }
    }
    return log;
}

void Hypervisor::dump_core(DomainId id, std::string const& path) const
{
    std::string const partial = path + ".part";
    if (xc_domain_dumpcore(handle_, id, partial.c_str()) != 0)
    {
        int const cause = errno; // what the error tells, whatever unlink() says
        ::unlink(partial.c_str());
        errno = cause;
        throw error("dumping domain " + std::to_string(id) + " to '" + path + "'");
    }
    if (std::rename(partial.c_str(), path.c_str()) != 0)
    {
        throw system_error("cannot rename '" + partial + "'", errno);
    }
}

} // namespace vm
