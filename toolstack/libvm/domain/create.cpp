// SPDX-License-Identifier: MIT
// The creation of a guest. The back ends are told of its devices first, so that they set up while memory is filled.
#include "domain/lifecycle.hpp"

#include "base/error.hpp"
#include "base/undo.hpp"
#include "device/block_device.hpp"
#include "device/kernel_events.hpp"
#include "device/network.hpp"
#include "domain/builder.hpp"
#include "domain/find.hpp"
#include "domain/signals.hpp"
#include "domain/teardown.hpp"

#include <chrono>
#include <ctime>
#include <memory>

namespace vm
{
namespace
{

constexpr std::uint64_t kMemorySlackKib = 1024; // lets a guest's balloon overshoot by what the loader allocated
constexpr std::uint64_t kOverheadPages = 2 * kPagesPerMib;
constexpr std::chrono::seconds kInterfaceLimit{30};

void check_memory(Hypervisor const& hypervisor, GuestConfig const& guest)
{
    std::uint64_t const total = hypervisor.total_pages() / kPagesPerMib;
    if (guest.memory_mib > total)
    {
        throw Error(ExitCode::NoResources, "the guest wants " + std::to_string(guest.memory_mib) +
                                               " MiB of memory, the host has " + std::to_string(total) + " MiB in all");
    }
    std::uint64_t const free = hypervisor.free_pages();
    if (guest.memory_mib * kPagesPerMib + kOverheadPages > free)
    {
        throw Error(ExitCode::NoResources,
                    "the guest wants " + std::to_string(guest.memory_mib) + " MiB of memory, " +
                        std::to_string(free / kPagesPerMib) + " MiB are free",
                    "destroy guests, give this one less memory, or lower dom0_mem= on the hypervisor's command line");
    }
}

void check_devices(GuestConfig const& guest)
{
    if (!guest.disks.empty())
    {
        check_backend_driver("vbd");
    }
    if (!guest.nics.empty())
    {
        check_backend_driver("vif");
    }
    for (DiskConfig const& disk : guest.disks)
    {
        check_disk_target(disk);
    }
    for (NicConfig const& nic : guest.nics)
    {
        if (!nic.bridge.empty())
        {
            check_bridge(nic.bridge);
        }
        if (!nic.interface_name.empty() && interface_exists(nic.interface_name))
        {
            throw Error(ExitCode::WrongState, "there is an interface '" + nic.interface_name + "' already",
                        "choose another vifname");
        }
    }
}

/// One creation; each step pushes how to undo it before the next begins.
class Creation
{
public:
    Creation(Host& host, GuestConfig const& guest, CreateOptions const& options) : host_(host), options_(options)
    {
        record_.config = guest;
        record_.created_at = std::time(nullptr);
        record_.quick_restarts = options.quick_restarts;
    }

    GuestRecord run();

    /// Undoes what was done; what could not be undone.
    std::vector<std::string> roll_back()
    {
        undo_.roll_back();
        return undo_.failures();
    }

private:
    void fill_in();
    void make_domain();
    void claim();
    void attach_disks();
    void announce_devices();
    void plug_interfaces();
    void introduce();

    Host& host_;
    CreateOptions options_;
    GuestRecord record_;
    GuestRings rings_;
    std::unique_ptr<InterfaceWatch> interfaces_;
    std::optional<Registry::Lock> guest_lock_;
    UndoStack undo_;
};

void Creation::fill_in()
{
    if (!record_.config.uuid)
    {
        record_.config.uuid = random_uuid();
    }
    for (NicConfig& nic : record_.config.nics)
    {
        if (nic.mac.empty())
        {
            nic.mac = random_mac();
        }
    }
}

void Creation::make_domain()
{
    GuestConfig const& guest = record_.config;
    Hypervisor const& hypervisor = host_.hypervisor;
    record_.domain = hypervisor.create(
        {*guest.uuid, guest.max_vcpus, guest.max_event_channels, guest.max_grant_frames, guest.max_maptrack_frames});
    undo_.push([this] { destroy_domain(host_, record_.domain, *record_.config.uuid); });
    DomainId const domain = record_.domain;
    hypervisor.set_vcpus(domain, guest.max_vcpus);
    hypervisor.set_max_memory(domain, guest.max_memory_mib * 1024 + kMemorySlackKib);
    hypervisor.set_memory_map(domain, guest.max_memory_mib * 1024);
    if (!guest.cpus.empty())
    {
        hypervisor.set_affinity(domain, guest.max_vcpus, guest.cpus);
    }
    if (guest.weight || guest.cap)
    {
        hypervisor.set_scheduling(domain, guest.weight, guest.cap);
    }
    hypervisor.apply_default_cpu_policy(domain);
    rings_.store_port = hypervisor.allocate_event_channel(domain, kControlDomain);
    rings_.console_port = hypervisor.allocate_event_channel(domain, kControlDomain);
}

void Creation::claim()
{
    guest_lock_.emplace(host_.registry.lock_guest(record_.domain));
    undo_.push([this] {
        auto const lock = host_.registry.lock();
        host_.registry.remove(record_);
    });
    auto const lock = host_.registry.lock();
    host_.registry.claim(record_, host_.liveness());
}

void Creation::attach_disks()
{
    std::vector<UniqueFd> holds; // until they are on record; closed before any of them is undone
    for (DiskConfig const& disk : record_.config.disks)
    {
        AttachedDisk const attached = attach_disk(disk, holds.emplace_back());
        record_.disks.push_back(attached);
        undo_.push([attached] { release_disks({attached}); });
    }
    if (!record_.disks.empty())
    {
        host_.registry.write(record_);
    }
    for (UniqueFd const& hold : holds)
    {
        keep_disk(hold);
    }
}

void Creation::announce_devices()
{
    StoreBatch batch;
    GuestConfig const& guest = record_.config;
    add_domain_nodes(batch, record_.domain, guest);
    for (AttachedDisk const& disk : record_.disks)
    {
        add_disk_nodes(batch, record_.domain, guest, disk);
    }
    for (std::uint32_t index = 0; index < guest.nics.size(); ++index)
    {
        add_nic_nodes(batch, record_.domain, guest, index);
    }
    if (!guest.nics.empty())
    {
        interfaces_ = std::make_unique<InterfaceWatch>();
    }
    undo_.push([this] { remove_nodes(host_, record_.domain, *record_.config.uuid); });
    host_.store.run_transaction(batch);
}

void Creation::plug_interfaces()
{
    StoreBatch batch;
    auto const& nics = record_.config.nics;
    for (std::uint32_t index = 0; index < nics.size(); ++index)
    {
        std::string const name = "vif" + std::to_string(record_.domain) + "." + std::to_string(index);
        if (!interfaces_->wait_for(name, kInterfaceLimit))
        {
            std::string const said =
                host_.store.read(backend_path(record_.domain, "vif", index) + "/error").value_or("");
            throw Error(ExitCode::Timeout,
                        "the interface " + name + " did not appear" + (said.empty() ? "" : ": " + said),
                        "see the control domain's kernel log");
        }
        plug_interface(name, interface_name(record_.domain, index, nics[index]), nics[index].bridge,
                       nics[index].mtu.value_or(0));
        batch.write(backend_path(record_.domain, "vif", index) + "/hotplug-status", "connected");
    }
    add_ring_nodes(batch, record_.domain, rings_);
    host_.store.run(batch);
}

GuestRecord Creation::run()
{
    fill_in();
    SignalGuard const signals; // an interrupt is noticed between steps, where everything can be undone
    GuestImage image(host_.hypervisor, record_.config);
    signals.check();
    make_domain();
    claim();
    attach_disks();
    announce_devices();
    signals.check();
    image.build(record_.domain, rings_);
    signals.check();
    plug_interfaces();
    record_.phase = GuestRecord::Phase::Running;
    host_.registry.write(record_);
    signals.check();
    if (!options_.start_paused)
    {
        host_.hypervisor.unpause(record_.domain);
    }
    undo_.commit();
    return record_;
}

} // namespace

IsAlive Host::liveness() const
{
    return [this](DomainId domain, Uuid const& uuid) {
        auto const info = hypervisor.domain(domain);
        return info && info->uuid == uuid && !info->dying;
    };
}

void check_guest(Host& host, GuestConfig const& guest)
{
    check_images(guest);
    check_name_is_free(host, guest.name);
    host.registry.check_claims(guest, host.liveness());
    check_devices(guest);
    check_memory(host.hypervisor, guest);
}

GuestRecord create_guest(Host& host, GuestConfig const& guest, CreateOptions const& options)
{
    check_guest(host, guest);
    Creation creation(host, guest, options);
    try
    {
        return creation.run();
    }
    catch (Error const& error)
    {
        auto const left = creation.roll_back();
        if (left.empty())
        {
            throw;
        }
        std::string cause = error.what();
        for (std::string const& failure : left)
        {
            cause += "; while taking it back: " + failure;
        }
        throw Error(ExitCode::Partial, cause, "look for what is left with vmctl list --all");
    }
}

} // namespace vm
