// SPDX-License-Identifier: MIT
// Collects what hypervisor, store and registry know of a guest.
#include "guest_json.hpp"

#include "config/load.hpp"
#include "store/layout.hpp"

#include <ctime>

namespace vmctl
{
namespace
{

/// The states in which front and back ends can be, by their numbers in the store.
std::string link_state(std::string const& number)
{
    static constexpr char const* kNames[] = {"unknown", "initialising", "waiting",       "initialised", "connected",
                                             "closing", "closed",       "reconfiguring", "reconfigured"};
    if (number.size() != 1 || number[0] < '0' || number[0] > '8')
    {
        return number.empty() ? "absent" : "unknown";
    }
    return kNames[number[0] - '0'];
}

Json device(vm::Store const& store, vm::DomainId domain, char const* kind, std::string const& index,
            std::vector<std::pair<char const*, char const*>> const& fields)
{
    std::string const front = vm::domain_path(domain) + "/device/" + kind + "/" + index;
    std::string const back = vm::backend_path(domain, kind) + "/" + index;
    Json json{{"index", index}};
    for (auto const& [name, node] : fields)
    {
        if (auto const value = store.read(back + "/" + node))
        {
            json[name] = *value;
        }
    }
    json["frontend"] = link_state(store.read(front + "/state").value_or(""));
    json["backend"] = link_state(store.read(back + "/state").value_or(""));
    return json;
}

Json devices(vm::Store const& store, vm::DomainId domain, char const* kind,
             std::vector<std::pair<char const*, char const*>> const& fields)
{
    Json list = Json::array();
    for (std::string const& index : store.list(vm::backend_path(domain, kind)))
    {
        list.push_back(device(store, domain, kind, index, fields));
    }
    return list;
}

std::string time_text(std::int64_t seconds)
{
    std::time_t const when = seconds;
    std::tm parts = {};
    ::gmtime_r(&when, &parts);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

} // namespace

Json guest_summary(vm::FoundGuest const& guest)
{
    char time[32];
    std::snprintf(time, sizeof time, "%.1f", static_cast<double>(guest.info.cpu_time_ns) / 1e9);
    return Json{{"name", guest.name},
                {"id", guest.info.id},
                {"memory_mib", guest.info.pages / vm::kPagesPerMib},
                {"vcpus", guest.info.online_vcpus},
                {"state", guest.info.state()},
                {"cpu_seconds", Json::parse(time)},
                {"uuid", vm::to_string(guest.info.uuid)}};
}

Json guest_details(vm::Host& host, vm::FoundGuest const& guest)
{
    Json json = guest_summary(guest);
    vm::DomainId const id = guest.info.id;
    json["max_memory_kib"] = guest.info.max_memory_kib;
    json["max_vcpus"] = guest.info.max_vcpus;
    if (guest.info.shut_down)
    {
        json["ended_by"] = vm::to_string(guest.info.reason);
    }
    json["console"] = host.store.read(vm::domain_path(id) + "/console/tty").value_or("");
    json["disks"] =
        devices(host.store, id, "vbd",
                {{"device", "dev"}, {"target", "params"}, {"node", "node"}, {"mode", "mode"}, {"error", "error"}});
    json["networks"] =
        devices(host.store, id, "vif", {{"mac", "mac"}, {"bridge", "bridge"}, {"rate", "rate"}, {"error", "error"}});
    if (guest.record)
    {
        json["created_at"] = time_text(guest.record->created_at);
        json["config"] = Json::parse(vm::config_to_json(guest.record->config));
    }
    return json;
}

} // namespace vmctl
