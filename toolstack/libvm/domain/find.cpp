// SPDX-License-Identifier: MIT
// Names are looked up in the registry; only guests of other toolstacks cost a walk through the store.
#include "domain/find.hpp"

#include "base/error.hpp"
#include "config/suggest.hpp"

#include <algorithm>
#include <charconv>

namespace vm
{
namespace
{

FoundGuest describe(Host& host, DomainInfo const& info)
{
    FoundGuest guest{info, {}, std::nullopt, {}};
    try
    {
        guest.record = host.registry.read(info.id);
    }
    catch (Error const& error)
    {
        guest.damage = error.what(); // one guest's record does not keep the others from being found
    }
    if (guest.record && guest.record->config.uuid != info.uuid)
    {
        guest.record.reset(); // of an earlier domain with the same number
    }
    guest.name =
        guest.record ? guest.record->config.name : host.store.read(domain_path(info.id) + "/name").value_or("");
    if (guest.name.empty() && info.id == kControlDomain)
    {
        guest.name = "Domain-0";
    }
    return guest;
}

std::optional<FoundGuest> find_by_number(Host& host, std::string const& who)
{
    DomainId id = 0;
    auto const [end, error] = std::from_chars(who.data(), who.data() + who.size(), id);
    if (error != std::errc() || end != who.data() + who.size())
    {
        return std::nullopt;
    }
    auto const info = host.hypervisor.domain(id);
    return info ? std::optional(describe(host, *info)) : std::nullopt;
}

} // namespace

std::vector<FoundGuest> all_guests(Host& host)
{
    std::vector<FoundGuest> guests;
    for (DomainInfo const& info : host.hypervisor.domains())
    {
        guests.push_back(describe(host, info));
    }
    return guests;
}

FoundGuest find_guest(Host& host, std::string const& who)
{
    if (auto guest = find_by_number(host, who))
    {
        return *guest;
    }
    if (who.find('/') == who.npos && !who.empty())
    {
        auto const id = host.registry.find_name(who);
        auto const info = id ? host.hypervisor.domain(*id) : std::nullopt;
        if (info)
        {
            FoundGuest guest = describe(host, *info);
            if (guest.name == who)
            {
                return guest;
            }
        }
    }
    auto const uuid = parse_uuid(who);
    std::vector<FoundGuest> const guests = all_guests(host);
    std::vector<std::string_view> names;
    for (FoundGuest const& guest : guests)
    {
        if (guest.name == who || (uuid && guest.info.uuid == *uuid))
        {
            return guest;
        }
        names.push_back(guest.name);
    }
    throw Error(ExitCode::NotFound, "there is no guest '" + who + "'",
                did_you_mean(who, names, "vmctl list shows the guests"));
}

void check_name_is_free(Host& host, std::string const& name)
{
    std::vector<DomainId> ours = host.registry.list();
    std::sort(ours.begin(), ours.end());
    for (DomainInfo const& info : host.hypervisor.domains())
    {
        bool const is_ours = std::binary_search(ours.begin(), ours.end(), info.id);
        if (!is_ours && host.store.read(domain_path(info.id) + "/name") == name)
        {
            throw Error(ExitCode::WrongState, "the name '" + name + "' is in use by domain " + std::to_string(info.id),
                        "choose another name");
        }
    }
}

} // namespace vm
