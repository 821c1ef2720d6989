// SPDX-License-Identifier: MIT
// Writes the store layout that Linux's front and back ends, xenconsoled and the stock tools expect.
#include "store/layout.hpp"

#include <cstdio>

namespace vm
{
namespace
{

constexpr char kInitialising[] = "1"; // XenbusStateInitialising
constexpr char kConsoleLimit[] = "1048576";
constexpr char const* kBackendKinds[] = {"vbd", "vif", "console", "vkbd", "vfb", "qdisk", "9pfs"};

std::string number(std::uint64_t value)
{
    return std::to_string(value);
}

/// The control domain owns, the guest reads.
StorePermissions readable_by(std::uint32_t domain)
{
    return {0, {domain}};
}

/// The guest owns, nobody else is named (the control domain may do everything anyway).
StorePermissions owned_by(std::uint32_t domain)
{
    return {domain, {}};
}

void add_device_common(StoreBatch& batch, std::uint32_t domain, GuestConfig const& guest, std::string const& front,
                       std::string const& back)
{
    batch.make_directory(back, readable_by(domain));
    batch.write(back + "/frontend", front);
    batch.write(back + "/frontend-id", number(domain));
    batch.write(back + "/online", "1");
    batch.write(back + "/domain", guest.name);
    batch.make_directory(front, StorePermissions{domain, {0}});
    batch.write(front + "/backend", back);
    batch.write(front + "/backend-id", "0");
}

/// The state goes last: it is what makes the drivers look at the rest.
void add_states(StoreBatch& batch, std::string const& front, std::string const& back)
{
    batch.write(front + "/state", kInitialising);
    batch.write(back + "/state", kInitialising);
}

} // namespace

std::string domain_path(std::uint32_t domain)
{
    return "/local/domain/" + number(domain);
}

std::string vm_path(Uuid const& uuid)
{
    return "/vm/" + to_string(uuid);
}

std::string backend_path(std::uint32_t domain, char const* kind)
{
    return "/local/domain/0/backend/" + std::string(kind) + "/" + number(domain);
}

std::string backend_path(std::uint32_t domain, char const* kind, std::uint32_t index)
{
    return backend_path(domain, kind) + "/" + number(index);
}

std::string frontend_path(std::uint32_t domain, char const* kind, std::uint32_t index)
{
    return domain_path(domain) + "/device/" + kind + "/" + number(index);
}

std::string first_interface_name(std::uint32_t domain, NicConfig const& nic)
{
    return "vif" + number(domain) + "." + number(nic.number.value_or(0));
}

std::string interface_name(std::uint32_t domain, NicConfig const& nic)
{
    return nic.interface_name.empty() ? first_interface_name(domain, nic) : nic.interface_name;
}

void add_host_nodes(StoreBatch& batch)
{
    batch.make_directory("/vm");
    batch.make_directory("/local/domain/0/backend/vbd");
    batch.make_directory("/local/domain/0/backend/vif");
}

void add_domain_nodes(StoreBatch& batch, std::uint32_t domain, GuestConfig const& guest)
{
    std::string const path = domain_path(domain);
    std::string const vm = vm_path(*guest.uuid);
    batch.make_directory(vm, readable_by(domain));
    batch.write(vm + "/uuid", to_string(*guest.uuid));
    batch.write(vm + "/name", guest.name);
    batch.make_directory(path, readable_by(domain));
    batch.write(path + "/vm", vm);
    batch.write(path + "/name", guest.name);
    batch.write(path + "/domid", number(domain));
    for (std::uint32_t vcpu = 0; vcpu < guest.max_vcpus; ++vcpu)
    {
        batch.write(path + "/cpu/" + number(vcpu) + "/availability", vcpu < guest.vcpus ? "online" : "offline");
    }
    batch.write(path + "/memory/static-max", number(guest.max_memory_mib * 1024));
    batch.write(path + "/memory/target", number(guest.memory_mib * 1024));
    batch.write(path + "/memory/videoram", "0");
    batch.make_directory(path + "/device");
    batch.make_directory(path + "/control");
    for (char const* const node :
         {"control/shutdown", "control/feature-poweroff", "control/feature-reboot", "control/feature-suspend",
          "control/sysrq", "device/suspend/event-channel", "data", "drivers", "feature", "attr", "error"})
    {
        batch.write(path + "/" + node, "");
        batch.set_permissions(path + "/" + node, owned_by(domain));
    }
    batch.write(path + "/console/type", "xenconsoled");
    batch.write(path + "/console/limit", kConsoleLimit);
    batch.write(path + "/console/output", "pty");
}

void add_disk_nodes(StoreBatch& batch, std::uint32_t domain, GuestConfig const& guest, AttachedDisk const& attached)
{
    DiskConfig const& disk = attached.disk;
    std::string const back = backend_path(domain, "vbd", disk.number);
    std::string const front = frontend_path(domain, "vbd", disk.number);
    char device[24];
    std::snprintf(device, sizeof device, "%x:%x", attached.major, attached.minor);
    add_device_common(batch, domain, guest, front, back);
    batch.write(back + "/type", attached.loop ? "file" : "phy");
    batch.write(back + "/params", disk.target);
    batch.write(back + "/node", attached.node);
    batch.write(back + "/dev", disk.device);
    batch.write(back + "/device-type", "disk");
    batch.write(back + "/mode", disk.writable ? "w" : "r");
    batch.write(back + "/removable", "0");
    batch.write(back + "/bootable", "1");
    batch.write(back + "/discard-enable", disk.discard ? "1" : "0");
    batch.write(back + "/physical-device", device);
    batch.write(back + "/physical-device-path", attached.node);
    batch.write(back + "/hotplug-status", "connected");
    batch.write(front + "/virtual-device", number(disk.number));
    batch.write(front + "/device-type", "disk");
    add_states(batch, front, back);
}

void add_nic_nodes(StoreBatch& batch, std::uint32_t domain, GuestConfig const& guest, NicConfig const& nic)
{
    std::uint32_t const index = nic.number.value_or(0);
    std::string const back = backend_path(domain, "vif", index);
    std::string const front = frontend_path(domain, "vif", index);
    add_device_common(batch, domain, guest, front, back);
    batch.write(back + "/handle", number(index));
    batch.write(back + "/type", "vif");
    batch.write(back + "/mac", nic.mac);
    batch.write(back + "/bridge", nic.bridge);
    batch.write(back + "/script", ""); // xen-netback insists on the node; nothing runs it
    if (!nic.address.empty())
    {
        batch.write(back + "/ip", nic.address);
    }
    if (!nic.interface_name.empty())
    {
        batch.write(back + "/vifname", nic.interface_name);
    }
    if (nic.rate_bytes != 0)
    {
        batch.write(back + "/rate", number(nic.rate_bytes) + "," + number(nic.rate_interval_us));
    }
    batch.write(front + "/handle", number(index));
    batch.write(front + "/mac", nic.mac);
    if (nic.mtu)
    {
        batch.write(front + "/mtu", number(*nic.mtu));
    }
    add_states(batch, front, back);
}

void add_ring_nodes(StoreBatch& batch, std::uint32_t domain, GuestRings const& rings)
{
    std::string const path = domain_path(domain);
    batch.write(path + "/store/ring-ref", number(rings.store_frame));
    batch.write(path + "/store/port", number(rings.store_port));
    batch.write(path + "/console/ring-ref", number(rings.console_frame));
    batch.write(path + "/console/port", number(rings.console_port));
    batch.introduce(domain, rings.store_frame, rings.store_port);
}

void add_device_removal(StoreBatch& batch, std::uint32_t domain)
{
    for (char const* const kind : kBackendKinds)
    {
        batch.remove(backend_path(domain, kind));
    }
    batch.remove(domain_path(domain) + "/device");
}

void add_removal(StoreBatch& batch, std::uint32_t domain, Uuid const& uuid)
{
    add_device_removal(batch, domain);
    batch.remove(domain_path(domain));
    batch.remove(vm_path(uuid));
    batch.remove("/libxl/" + number(domain));
}

} // namespace vm
