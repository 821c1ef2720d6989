// SPDX-License-Identifier: MIT
// Reaches the hypervisor through Debian's libraries: event channels, grant and foreign mappings, domain states.
#pragma once

#include "transport/hypervisor.hpp"

#include <unordered_map>

struct xc_interface_core;
struct xenevtchn_handle;
struct xengntdev_handle;
struct xenforeignmemory_handle;

namespace tessera::store
{

class XenHypervisor final : public Hypervisor
{
public:
    // Opens all devices. Throws std::runtime_error that names what is missing.
    XenHypervisor();
    ~XenHypervisor() override;
    XenHypervisor(XenHypervisor const&) = delete;
    XenHypervisor& operator=(XenHypervisor const&) = delete;

    xenstore_domain_interface* map_ring(std::uint16_t domain, std::uint64_t frame) override;
    void unmap_ring(xenstore_domain_interface* page) override;
    int bind(std::uint16_t domain, std::uint32_t remote_port) override;
    void unbind(int local_port) override;
    void notify(int local_port) override;
    [[nodiscard]] int event_descriptor() const override;
    void take_events(std::vector<int>& ports) override;
    [[nodiscard]] int domain_end_port() const override { return domain_end_port_; }
    bool list_domains(std::vector<DomainState>& out) override;
    [[nodiscard]] std::uint32_t control_domain_port() const override { return control_domain_port_; }

private:
    enum class Mapping
    {
        ControlDomain,
        Grant,
        Foreign
    };

    xc_interface_core* control_ = nullptr;
    xenevtchn_handle* events_ = nullptr;
    xengntdev_handle* grants_ = nullptr;
    xenforeignmemory_handle* foreign_ = nullptr;
    int domain_end_port_ = -1;
    std::uint32_t control_domain_port_ = 0;
    std::unordered_map<xenstore_domain_interface*, Mapping> mappings_;
};

} // namespace tessera::store
