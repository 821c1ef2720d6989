// SPDX-License-Identifier: MIT
// Each step causes something to go and waits for the event that says it is gone.
#include "domain/teardown.hpp"

#include "base/error.hpp"
#include "device/block_device.hpp"
#include "device/kernel_events.hpp"

#include <algorithm>
#include <chrono>

namespace vm
{
namespace
{

constexpr std::chrono::seconds kBackendLimit{30};
constexpr std::chrono::seconds kBackendPatience{1};
constexpr std::chrono::seconds kLoopLimit{10};
constexpr std::chrono::milliseconds kLookAgain{50};

/// The back-end devices that the kernel has for a domain, as the store knows them.
std::vector<std::string> backend_devices(Store const& store, DomainId domain)
{
    std::vector<std::string> devices;
    for (std::string const kind : {"vbd", "vif"})
    {
        for (std::string const& index : store.list(backend_path(domain, kind.c_str())))
        {
            std::string device = kind + "-" + std::to_string(domain);
            device.append("-").append(index);
            if (backend_device_exists(device))
            {
                devices.push_back(device);
            }
        }
    }
    return devices;
}

} // namespace

void remove_nodes(Host& host, DomainId domain, Uuid const& uuid, bool keep_domain)
{
    KernelEvents events;
    std::vector<std::string> const devices = backend_devices(host.store, domain);
    StoreBatch batch;
    if (keep_domain)
    {
        add_device_removal(batch, domain);
    }
    else
    {
        add_removal(batch, domain, uuid);
    }
    auto const gone = [&] {
        return std::all_of(devices.begin(), devices.end(), [&](std::string const& device) {
            return events.removed(device) || (events.lost() && !backend_device_exists(device));
        });
    };
    // A back end that was just setting up writes its nodes anew after they went, and keeps its device: they go once more.
    for (auto left = kBackendLimit; left.count() > 0; left -= kBackendPatience)
    {
        host.store.run(batch);
        if (events.wait_until(kBackendPatience, gone))
        {
            return;
        }
    }
    throw Error(ExitCode::Timeout, "a back end has not let go of the guest's devices");
}

void release_disks(std::vector<AttachedDisk> const& disks)
{
    if (disks.empty())
    {
        return;
    }
    KernelEvents events;
    for (AttachedDisk const& disk : disks)
    {
        detach_disk(disk);
    }
    bool const done =
        events.wait_until(kLoopLimit, [&] { return std::none_of(disks.begin(), disks.end(), disk_is_bound); });
    if (!done)
    {
        throw Error(ExitCode::Timeout, "a loop device of the guest is still in use");
    }
}

void destroy_domain(Host& host, DomainId domain, Uuid const& uuid, std::chrono::seconds patience)
{
    host.hypervisor.destroy(domain);
    auto const gone = [&] {
        auto const info = host.hypervisor.domain(domain);
        return !info || info->uuid != uuid;
    };
    // Store daemons tell that a domain begins to end. It ends for good when the last of them, and the console daemon, has
    // let go of its pages, of which nobody tells: until then we look again now and then.
    if (!host.store.wait_until("@releaseDomain", patience, gone, kLookAgain))
    {
        throw Error(ExitCode::Timeout, "pages of the domain are still mapped by others");
    }
}

} // namespace vm
