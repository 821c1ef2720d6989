// SPDX-License-Identifier: MIT
// Implements access to the hypervisor.
#include "transport/xen_hypervisor.hpp"

#include "transport/event_loop.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

// The libraries' headers do not say themselves that they are C.
extern "C"
{
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xengnttab.h>
}

namespace tessera::store
{

namespace
{

constexpr char kRingFile[] = "/proc/xen/xsd_kva";
constexpr char kPortFile[] = "/proc/xen/xsd_port";
constexpr std::uint32_t kReservedStoreGrant = 1; // entry of the grant table that toolstacks fill for the store
constexpr std::size_t kPageSize = 4096;

[[noreturn]] void fail(std::string const& what)
{
    throw std::runtime_error(
        what + ": " + std::strerror(errno) +
        " (is this the control domain, and is the module loaded? use --no-domains to run without)");
}

} // namespace

XenHypervisor::XenHypervisor()
{
    std::ifstream port_file(kPortFile);
    if (!(port_file >> control_domain_port_))
    {
        errno = ENOENT;
        fail(std::string("cannot read ") + kPortFile);
    }
    if ((control_ = xc_interface_open(nullptr, nullptr, 0)) == nullptr)
    {
        fail("cannot open the hypervisor's control interface (/dev/xen/privcmd)");
    }
    if ((events_ = xenevtchn_open(nullptr, 0)) == nullptr)
    {
        fail("cannot open /dev/xen/evtchn");
    }
    if ((foreign_ = xenforeignmemory_open(nullptr, 0)) == nullptr)
    {
        fail("cannot open the foreign memory interface");
    }
    grants_ = xengnttab_open(nullptr, 0); // optional: without it rings are mapped by frame
    int const flags = ::fcntl(xenevtchn_fd(events_), F_GETFL);
    ::fcntl(xenevtchn_fd(events_), F_SETFL, flags | O_NONBLOCK);
    domain_end_port_ = xenevtchn_bind_virq(events_, VIRQ_DOM_EXC);
    if (domain_end_port_ < 0)
    {
        fail("cannot bind the event that reports the end of domains (does another store daemon run?)");
    }
}

XenHypervisor::~XenHypervisor()
{
    if (grants_ != nullptr)
    {
        xengnttab_close(grants_);
    }
    if (foreign_ != nullptr)
    {
        xenforeignmemory_close(foreign_);
    }
    if (events_ != nullptr)
    {
        xenevtchn_close(events_);
    }
    if (control_ != nullptr)
    {
        xc_interface_close(control_);
    }
}

xenstore_domain_interface* XenHypervisor::map_ring(std::uint16_t domain, std::uint64_t frame)
{
    void* page = nullptr;
    Mapping kind = Mapping::Grant;
    if (domain == 0)
    {
        FileDescriptor const file(::open(kRingFile, O_RDWR | O_CLOEXEC));
        kind = Mapping::ControlDomain;
        page = ::mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
        page = page == MAP_FAILED ? nullptr : page;
    }
    else
    {
        if (grants_ != nullptr)
        {
            page = xengnttab_map_grant_ref(grants_, domain, kReservedStoreGrant, PROT_READ | PROT_WRITE);
        }
        if (page == nullptr)
        {
            xen_pfn_t const pfn = frame;
            int error = 0;
            kind = Mapping::Foreign;
            page = xenforeignmemory_map(foreign_, domain, PROT_READ | PROT_WRITE, 1, &pfn, &error);
        }
    }
    auto* const ring = static_cast<xenstore_domain_interface*>(page);
    if (ring != nullptr)
    {
        mappings_[ring] = kind;
    }
    return ring;
}

void XenHypervisor::unmap_ring(xenstore_domain_interface* page)
{
    auto const found = mappings_.extract(page);
    if (found.empty())
    {
        return;
    }
    switch (found.mapped())
    {
    case Mapping::ControlDomain: ::munmap(page, kPageSize); return;
    case Mapping::Grant: xengnttab_unmap(grants_, page, 1); return;
    case Mapping::Foreign: xenforeignmemory_unmap(foreign_, page, 1); return;
    }
}

int XenHypervisor::bind(std::uint16_t domain, std::uint32_t remote_port)
{
    return xenevtchn_bind_interdomain(events_, domain, remote_port);
}

void XenHypervisor::unbind(int local_port)
{
    xenevtchn_unbind(events_, static_cast<evtchn_port_t>(local_port));
}

void XenHypervisor::notify(int local_port)
{
    xenevtchn_notify(events_, static_cast<evtchn_port_t>(local_port));
}

int XenHypervisor::event_descriptor() const
{
    return xenevtchn_fd(events_);
}

// The device gives many ports at one read and takes them back, unmasked, at one write.
void XenHypervisor::take_events(std::vector<int>& ports)
{
    std::array<evtchn_port_t, 256> batch;
    ssize_t const got = ::read(event_descriptor(), batch.data(), sizeof batch);
    if (got <= 0)
    {
        return;
    }
    std::size_t const count = static_cast<std::size_t>(got) / sizeof batch[0];
    for (std::size_t i = 0; i < count; ++i)
    {
        ports.push_back(static_cast<int>(batch[i]));
    }
    if (::write(event_descriptor(), batch.data(), count * sizeof batch[0]) < 0)
    {
        // A port that was closed in between makes the write fail for all of them: give them back one by one.
        for (std::size_t i = 0; i < count; ++i)
        {
            xenevtchn_unmask(events_, batch[i]);
        }
    }
}

bool XenHypervisor::list_domains(std::vector<DomainState>& out)
{
    constexpr unsigned kBatch = 1024;
    std::vector<xc_domaininfo_t> batch(kBatch);
    std::uint32_t first = 0;
    for (;;)
    {
        int const got = xc_domain_getinfolist(control_, first, kBatch, batch.data());
        if (got < 0)
        {
            return false;
        }
        for (int i = 0; i < got; ++i)
        {
            auto const& info = batch[static_cast<std::size_t>(i)];
            out.push_back({info.domain, (info.flags & XEN_DOMINF_dying) != 0, (info.flags & XEN_DOMINF_shutdown) != 0});
        }
        if (static_cast<unsigned>(got) < kBatch)
        {
            return true;
        }
        first = out.back().domain + 1U;
    }
}

} // namespace tessera::store
