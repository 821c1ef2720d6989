// SPDX-License-Identifier: MIT
// The end of a guest: back ends let go, then the domain goes, then loop devices, then the record.
#include "domain/lifecycle.hpp"

#include "base/error.hpp"
#include "domain/teardown.hpp"

#include <exception>

namespace vm
{
namespace
{

/// Runs every step even if one fails, and tells all failures at the end.
class Steps
{
public:
    template<typename Step>
    void run(Step step)
    {
        try
        {
            step();
        }
        catch (std::exception const& error)
        {
            failures_ += (failures_.empty() ? "" : "; ") + std::string(error.what());
        }
    }

    void finish(DomainId domain) const
    {
        if (!failures_.empty())
        {
            throw Error(ExitCode::Partial, "domain " + std::to_string(domain) + " is not wholly gone: " + failures_,
                        "try vmctl destroy again");
        }
    }

private:
    std::string failures_;
};

} // namespace

void end_guest(Host& host, DomainId domain, Uuid const& uuid, GuestRecord const* record, std::chrono::seconds patience)
{
    Steps steps;
    auto const info = host.hypervisor.domain(domain);
    bool const exists = info && info->uuid == uuid;
    if (exists && !info->dying)
    {
        steps.run([&] { host.hypervisor.pause(domain); });
    }
    steps.run([&] { remove_nodes(host, domain, uuid); });
    if (exists)
    {
        steps.run([&] { destroy_domain(host, domain, uuid, patience); });
    }
    if (record)
    {
        steps.run([&] { release_disks(record->disks); });
    }
    steps.finish(domain);
    if (record)
    {
        auto const lock = host.registry.lock();
        host.registry.remove(*record);
    }
}

bool destroy_guest(Host& host, DomainId domain, Uuid const& uuid, std::chrono::seconds patience)
{
    if (!host.registry.read(domain))
    {
        end_guest(host, domain, uuid, nullptr, patience);
        return true;
    }
    auto const lock = host.registry.lock_guest(domain);
    auto const record = host.registry.read(domain); // anew: whoever had the lock may have ended it
    if (!record || record->config.uuid != uuid)
    {
        host.registry.forget_lock(domain);
        return false;
    }
    end_guest(host, domain, uuid, &*record, patience);
    return true;
}

void strip_guest(Host& host, GuestRecord& record, std::string const& new_name)
{
    Uuid const uuid = *record.config.uuid;
    remove_nodes(host, record.domain, uuid, true);
    release_disks(record.disks);
    auto const lock = host.registry.lock();
    host.registry.remove_claims(record);
    record.phase = GuestRecord::Phase::Preserved;
    record.disks.clear();
    record.config.disks.clear();
    record.config.nics.clear();
    record.config.name = new_name;
    host.registry.claim(record, host.liveness());
    host.store.write(domain_path(record.domain) + "/name", new_name);
    host.store.write(vm_path(uuid) + "/name", new_name);
}

} // namespace vm
