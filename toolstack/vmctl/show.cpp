// SPDX-License-Identifier: MIT
// vmctl show: everything about one guest, or its counters.
#include "guest_json.hpp"
#include "hypervisor/counters.hpp"
#include "supervise/ended_log.hpp"
#include "verb.hpp"

namespace vmctl
{
namespace
{

/// A guest that is not there any more may have ended: then the error says how.
vm::FoundGuest find_or_tell_end(vm::Host& host, std::string const& who)
{
    try
    {
        return vm::find_guest(host, who);
    }
    catch (Error const& error)
    {
        auto const end = vm::EndedLog(host.registry.root()).find(who);
        if (error.code() != ExitCode::NotFound || !end)
        {
            throw;
        }
        throw Error(ExitCode::NotFound, error.what(), "it ended: " + *end);
    }
}

ExitCode run(Invocation const& invocation)
{
    vm::Host host;
    vm::FoundGuest const guest = find_or_tell_end(host, invocation.operands[0]);
    if (!invocation.has("counters"))
    {
        print(render_object(invocation.format, guest_details(host, guest)));
        return ExitCode::Ok;
    }
    Json rows = Json::array();
    for (vm::Counter const& counter : vm::read_counters(host.hypervisor, guest.info.id))
    {
        rows.push_back({{"cause", counter.cause}, {"count", counter.count}});
    }
    print(render_list(invocation.format, {{"cause", "CAUSE"}, {"count", "COUNT", true}}, rows));
    return ExitCode::Ok;
}

} // namespace

Verb const kShow{"show",
                 "GUEST",
                 1,
                 1,
                 "Show a guest's state, devices and configuration",
                 {{"counters", '\0', "", "show how often the guest entered the hypervisor, by cause"}},
                 run};

} // namespace vmctl
