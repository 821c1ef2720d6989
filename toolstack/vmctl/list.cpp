// SPDX-License-Identifier: MIT
// vmctl list: all domains of the host.
#include "guest_json.hpp"
#include "verb.hpp"

#include <cstdio>

namespace vmctl
{
namespace
{

ExitCode run(Invocation const& invocation)
{
    vm::Host host;
    Json rows = Json::array();
    if (invocation.operands.empty())
    {
        for (vm::FoundGuest const& guest : vm::all_guests(host))
        {
            rows.push_back(guest_summary(guest));
            if (!guest.damage.empty())
            {
                std::fprintf(stderr, "vmctl: warning: %s\n", guest.damage.c_str());
            }
        }
    }
    for (std::string const& who : invocation.operands)
    {
        rows.push_back(guest_summary(vm::find_guest(host, who)));
    }
    std::vector<Column> columns{{"name", "NAME"},         {"id", "ID", true}, {"memory_mib", "MEMORY/MiB", true},
                                {"vcpus", "VCPUS", true}, {"state", "STATE"}, {"cpu_seconds", "CPU/s", true}};
    if (invocation.has("uuid"))
    {
        columns.push_back({"uuid", "UUID"});
    }
    print(render_list(invocation.format, columns, rows));
    return ExitCode::Ok;
}

} // namespace

Verb const kList{
    "list", "[GUEST]...", 0, 100000, "List the domains of this host", {{"uuid", 'u', "", "show the uuids too"}}, run};

} // namespace vmctl
