// SPDX-License-Identifier: MIT
// A guest's configuration as JSON: the form in which a running guest's record keeps it for its restarts.
#include "config/load.hpp"

#include "base/error.hpp"

#include <nlohmann/json.hpp>

namespace vm
{
namespace
{

using Json = nlohmann::ordered_json;

Json disk_to_json(DiskConfig const& disk)
{
    return Json{{"target", disk.target},
                {"device", disk.device},
                {"number", disk.number},
                {"writable", disk.writable},
                {"discard", disk.discard}};
}

DiskConfig disk_from_json(Json const& json)
{
    DiskConfig disk;
    disk.target = json.at("target");
    disk.device = json.at("device");
    disk.number = json.at("number");
    disk.writable = json.at("writable");
    disk.discard = json.at("discard");
    return disk;
}

Json nic_to_json(NicConfig const& nic)
{
    Json json{{"mac", nic.mac},         {"bridge", nic.bridge},         {"interface", nic.interface_name},
              {"address", nic.address}, {"rate_bytes", nic.rate_bytes}, {"rate_interval_us", nic.rate_interval_us}};
    if (nic.number)
    {
        json["devid"] = *nic.number;
    }
    if (nic.mtu)
    {
        json["mtu"] = *nic.mtu;
    }
    return json;
}

NicConfig nic_from_json(Json const& json)
{
    NicConfig nic;
    nic.mac = json.at("mac");
    nic.bridge = json.at("bridge");
    nic.interface_name = json.at("interface");
    nic.address = json.at("address");
    nic.rate_bytes = json.at("rate_bytes");
    nic.rate_interval_us = json.at("rate_interval_us");
    if (json.contains("devid"))
    {
        nic.number = json.at("devid").get<std::uint32_t>();
    }
    if (json.contains("mtu"))
    {
        nic.mtu = json.at("mtu").get<std::uint32_t>();
    }
    return nic;
}

EndAction action_from_json(Json const& json, char const* key)
{
    auto const action = parse_end_action(json.at(key).get<std::string>());
    if (!action)
    {
        throw Error(ExitCode::Failed, std::string("a guest's record has an unknown ") + key);
    }
    return *action;
}

GuestConfig guest_from_json(Json const& json)
{
    GuestConfig guest;
    guest.name = json.at("name");
    guest.uuid = parse_uuid(json.at("uuid").get<std::string>());
    guest.kernel = json.at("kernel");
    guest.ramdisk = json.at("ramdisk");
    guest.command_line = json.at("cmdline");
    guest.memory_mib = json.at("memory");
    guest.max_memory_mib = json.at("maxmem");
    guest.vcpus = json.at("vcpus");
    guest.max_vcpus = json.at("maxvcpus");
    if (json.contains("weight"))
    {
        guest.weight = json.at("weight").get<std::uint32_t>();
    }
    if (json.contains("cap"))
    {
        guest.cap = json.at("cap").get<std::uint32_t>();
    }
    guest.cpus = json.at("cpus").get<std::vector<std::uint32_t>>();
    guest.cpus_by_vcpu = json.value("cpus_by_vcpu", std::vector<std::vector<std::uint32_t>>{});
    guest.on_poweroff = action_from_json(json, "on_poweroff");
    guest.on_reboot = action_from_json(json, "on_reboot");
    guest.on_crash = action_from_json(json, "on_crash");
    guest.on_watchdog = action_from_json(json, "on_watchdog");
    guest.max_grant_frames = json.at("max_grant_frames");
    guest.max_maptrack_frames = json.at("max_maptrack_frames");
    guest.max_event_channels = json.at("max_event_channels");
    for (Json const& disk : json.at("disk"))
    {
        guest.disks.push_back(disk_from_json(disk));
    }
    for (Json const& nic : json.at("network"))
    {
        guest.nics.push_back(nic_from_json(nic));
    }
    return guest;
}

} // namespace

std::string config_to_json(GuestConfig const& guest)
{
    Json json{{"name", guest.name},
              {"uuid", guest.uuid ? to_string(*guest.uuid) : ""},
              {"kernel", guest.kernel},
              {"ramdisk", guest.ramdisk},
              {"cmdline", guest.command_line},
              {"memory", guest.memory_mib},
              {"maxmem", guest.max_memory_mib},
              {"vcpus", guest.vcpus},
              {"maxvcpus", guest.max_vcpus},
              {"cpus", guest.cpus},
              {"on_poweroff", to_string(guest.on_poweroff)},
              {"on_reboot", to_string(guest.on_reboot)},
              {"on_crash", to_string(guest.on_crash)},
              {"on_watchdog", to_string(guest.on_watchdog)},
              {"max_grant_frames", guest.max_grant_frames},
              {"max_maptrack_frames", guest.max_maptrack_frames},
              {"max_event_channels", guest.max_event_channels},
              {"disk", Json::array()},
              {"network", Json::array()}};
    if (!guest.cpus_by_vcpu.empty())
    {
        json["cpus_by_vcpu"] = guest.cpus_by_vcpu;
    }
    if (guest.weight)
    {
        json["weight"] = *guest.weight;
    }
    if (guest.cap)
    {
        json["cap"] = *guest.cap;
    }
    for (DiskConfig const& disk : guest.disks)
    {
        json["disk"].push_back(disk_to_json(disk));
    }
    for (NicConfig const& nic : guest.nics)
    {
        json["network"].push_back(nic_to_json(nic));
    }
    return json.dump();
}

GuestConfig config_from_json(std::string const& text)
{
    try
    {
        return guest_from_json(Json::parse(text));
    }
    catch (Json::exception const& error)
    {
        throw Error(ExitCode::Failed, std::string("a guest's record is damaged: ") + error.what());
    }
}

} // namespace vm
