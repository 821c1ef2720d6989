// SPDX-License-Identifier: MIT
// Writes and reads guests' records.
#include "domain/record_json.hpp"

#include "base/error.hpp"
#include "config/load.hpp"

#include <nlohmann/json.hpp>

namespace vm
{
namespace
{

using Json = nlohmann::ordered_json;

char const* phase_name(GuestRecord::Phase phase)
{
    switch (phase)
    {
    case GuestRecord::Phase::Building: return "building";
    case GuestRecord::Phase::Running: return "running";
    case GuestRecord::Phase::Preserved: return "preserved";
    }
    return "building";
}

GuestRecord::Phase phase_from(std::string const& name)
{
    if (name == "running")
    {
        return GuestRecord::Phase::Running;
    }
    return name == "preserved" ? GuestRecord::Phase::Preserved : GuestRecord::Phase::Building;
}

} // namespace

std::string record_to_json(GuestRecord const& record)
{
    Json json{{"domain", record.domain},
              {"phase", phase_name(record.phase)},
              {"created_at", record.created_at},
              {"quick_restarts", record.quick_restarts},
              {"config", Json::parse(config_to_json(record.config))},
              {"claims", record.claims},
              {"attached", Json::array()}};
    for (AttachedDisk const& disk : record.disks)
    {
        json["attached"].push_back(Json{{"number", disk.disk.number},
                                        {"node", disk.node},
                                        {"major", disk.major},
                                        {"minor", disk.minor},
                                        {"loop", disk.loop},
                                        {"file_device", disk.file_device},
                                        {"file_inode", disk.file_inode}});
    }
    return json.dump() + "\n";
}

GuestRecord record_from_json(std::string const& text)
{
    try
    {
        Json const json = Json::parse(text);
        GuestRecord record;
        record.domain = json.at("domain");
        record.phase = phase_from(json.at("phase"));
        record.created_at = json.at("created_at");
        record.quick_restarts = json.at("quick_restarts");
        record.config = config_from_json(json.at("config").dump());
        record.claims = json.at("claims").get<std::vector<std::string>>();
        for (Json const& entry : json.at("attached"))
        {
            AttachedDisk disk;
            std::uint32_t const number = entry.at("number");
            for (DiskConfig const& candidate : record.config.disks)
            {
                if (candidate.number == number)
                {
                    disk.disk = candidate;
                }
            }
            disk.node = entry.at("node");
            disk.major = entry.at("major");
            disk.minor = entry.at("minor");
            disk.loop = entry.at("loop");
            disk.file_device = entry.value("file_device", std::uint64_t{0});
            disk.file_inode = entry.value("file_inode", std::uint64_t{0});
            record.disks.push_back(disk);
        }
        if (!record.config.uuid)
        {
            throw Error(ExitCode::Failed, "a guest's record has no uuid");
        }
        return record;
    }
    catch (Json::exception const& error)
    {
        throw Error(ExitCode::Failed, std::string("a guest's record is damaged: ") + error.what());
    }
}

} // namespace vm
