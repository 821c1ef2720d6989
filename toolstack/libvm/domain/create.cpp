// SPDX-License-Identifier: MIT
// The creation of a guest. The back ends are told of its devices first, so that they set up while memory is filled.
#include "domain/lifecycle.hpp"

#include "base/error.hpp"
#include "device/block_device.hpp"
#include "device/kernel_events.hpp"
#include "device/network.hpp"
#include "domain/builder.hpp"
#include "domain/find.hpp"
#include "domain/signals.hpp"
#include "domain/teardown.hpp"

#include <chrono>
#include <ctime>
#include <exception>
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

/// All checks that cost little. (The images are read once only, by whoever needs them.)
void check_surroundings(Host& host, GuestConfig const& guest)
{
    check_images(guest);
    check_name_is_free(host, guest.name);
    host.registry.check_claims(guest, host.liveness());
    check_devices(guest);
    check_memory(host.hypervisor, guest);
    host.hypervisor.check_cpus(guest.cpus);
    for (auto const& cpus : guest.cpus_by_vcpu)
    {
        host.hypervisor.check_cpus(cpus);
    }
}

/// One creation. From the moment its domain exists it is taken back as any guest is taken away.
class Creation
{
public:
    Creation(Host& host, GuestConfig const& guest, CreateOptions const& options) : host_(host), options_(options)
    {
        record_.config = guest;
        record_.created_at = std::time(nullptr);
        record_.quick_restarts = options.quick_restarts;
    }

    /// `signals` break it off between steps, where everything can be taken back; null if nothing may.
    GuestRecord run(SignalGuard* signals);

    /// Takes back what was made. Throws Error(Partial) for what could not be.
    void roll_back()
    {
        if (made_)
        {
            end_guest(host_, record_.domain, *record_.config.uuid, &record_);
        }
        if (announcement_)
        {
            host_.registry.unannounce(*record_.config.uuid);
        }
    }

private:
    void fill_in();
    void make_domain();
    void set_up_domain();
    void attach_disks();
    void announce_devices();
    void plug_interfaces();
    void introduce();

    Host& host_;
    CreateOptions options_;
    GuestRecord record_;
    GuestRings rings_;
    std::unique_ptr<InterfaceWatch> interfaces_;
    std::optional<Registry::Lock> announcement_;
    std::optional<Registry::Lock> guest_lock_;
    bool made_ = false; ///< there is a domain
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

/// A domain is announced before it exists and on record at once, so that somebody finds it whenever we are killed.
void Creation::make_domain()
{
    GuestConfig const& guest = record_.config;
    announcement_.emplace(host_.registry.announce(*guest.uuid));
    auto const lock = host_.registry.lock();
    record_.domain = host_.hypervisor.create(
        {*guest.uuid, guest.max_vcpus, guest.max_event_channels, guest.max_grant_frames, guest.max_maptrack_frames});
    made_ = true;
    guest_lock_.emplace(host_.registry.lock_guest(record_.domain));
    host_.registry.claim(record_, host_.liveness());
    host_.registry.unannounce(*guest.uuid);
    announcement_.reset();
}

void Creation::set_up_domain()
{
    GuestConfig const& guest = record_.config;
    Hypervisor const& hypervisor = host_.hypervisor;
    DomainId const domain = record_.domain;
    hypervisor.set_vcpus(domain, guest.max_vcpus);
    hypervisor.set_max_memory(domain, guest.max_memory_mib * 1024 + kMemorySlackKib);
    hypervisor.set_memory_map(domain, guest.max_memory_mib * 1024);
    for (std::uint32_t vcpu = 0; vcpu < guest.max_vcpus; ++vcpu)
    {
        auto const& cpus = vcpu < guest.cpus_by_vcpu.size() ? guest.cpus_by_vcpu[vcpu] : guest.cpus;
        if (!cpus.empty())
        {
            hypervisor.set_affinity(domain, vcpu, cpus);
        }
    }
    if (guest.weight || guest.cap)
    {
        hypervisor.set_scheduling(domain, guest.weight, guest.cap);
    }
    hypervisor.apply_default_cpu_policy(domain);
    rings_.store_port = hypervisor.allocate_event_channel(domain, kControlDomain);
    rings_.console_port = hypervisor.allocate_event_channel(domain, kControlDomain);
}

void Creation::attach_disks()
{
    std::vector<UniqueFd> holds; // until they are on record; closed before any of them is undone
    for (DiskConfig const& disk : record_.config.disks)
    {
        record_.disks.push_back(attach_disk(disk, holds.emplace_back()));
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
    for (NicConfig const& nic : guest.nics)
    {
        add_nic_nodes(batch, record_.domain, guest, nic);
    }
    if (!guest.nics.empty())
    {
        interfaces_ = std::make_unique<InterfaceWatch>();
    }
    host_.store.run_transaction(batch);
}

void Creation::plug_interfaces()
{
    StoreBatch batch;
    for (NicConfig const& nic : record_.config.nics)
    {
        std::string const back = backend_path(record_.domain, "vif", nic.number.value_or(0));
        std::string const name = first_interface_name(record_.domain, nic);
        if (!interfaces_->wait_for(name, kInterfaceLimit))
        {
            std::string const said = host_.store.read(back + "/error").value_or("");
            throw Error(ExitCode::Timeout,
                        "the interface " + name + " did not appear" + (said.empty() ? "" : ": " + said),
                        "see the control domain's kernel log");
        }
        plug_interface(name, interface_name(record_.domain, nic), nic.bridge, nic.mtu.value_or(0));
        batch.write(back + "/hotplug-status", "connected");
    }
    add_ring_nodes(batch, record_.domain, rings_);
    host_.store.run(batch);
}

GuestRecord Creation::run(SignalGuard* signals)
{
    auto const safe_point = [signals] {
        if (signals)
        {
            signals->check();
        }
    };
    fill_in();
    KernelCache const kernels;
    GuestImage image(host_.hypervisor, record_.config, kernels);
    safe_point();
    make_domain();
    set_up_domain();
    attach_disks();
    announce_devices();
    safe_point();
    image.build(record_.domain, rings_);
    safe_point();
    plug_interfaces();
    record_.phase = GuestRecord::Phase::Running;
    host_.registry.write(record_);
    safe_point();
    if (!options_.start_paused)
    {
        host_.hypervisor.unpause(record_.domain);
    }
    image.keep_kernel();
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
    check_surroundings(host, guest);
    KernelCache const kernels;
    GuestImage const image(host.hypervisor, guest, kernels);
}

GuestRecord create_guest(Host& host, GuestConfig const& guest, CreateOptions const& options)
{
    SignalGuard signals; // until all is taken back, should it come to that
    check_surroundings(host, guest);
    Creation creation(host, guest, options);
    try
    {
        return creation.run(options.interruptible ? &signals : nullptr);
    }
    catch (std::exception const& failure)
    {
        try
        {
            creation.roll_back();
        }
        catch (std::exception const& left)
        {
            throw Error(ExitCode::Partial, std::string(failure.what()) + "; while taking it back: " + left.what(),
                        "vmctl list shows what is left, vmctl destroy takes it away");
        }
        throw;
    }
}

} // namespace vm
