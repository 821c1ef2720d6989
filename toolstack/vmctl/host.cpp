// SPDX-License-Identifier: MIT
// vmctl host info and host dmesg: the machine and its hypervisor.
#include "hypervisor/hypervisor.hpp"
#include "verb.hpp"

namespace vmctl
{
namespace
{

ExitCode run_info(Invocation const& invocation)
{
    vm::Hypervisor const hypervisor;
    vm::HostInfo const host = hypervisor.host_info();
    Json const json{{"version", host.version},
                    {"capabilities", host.capabilities},
                    {"compiler", host.compiler},
                    {"built", host.compile_date},
                    {"changeset", host.changeset},
                    {"command_line", host.command_line},
                    {"scheduler", host.scheduler},
                    {"cpus", host.cpus},
                    {"nodes", host.nodes},
                    {"cores_per_socket", host.cores_per_socket},
                    {"threads_per_core", host.threads_per_core},
                    {"cpu_khz", host.cpu_khz},
                    {"memory_mib", host.total_pages / vm::kPagesPerMib},
                    {"free_mib", host.free_pages / vm::kPagesPerMib},
                    {"free_pages", host.free_pages},
                    {"scrub_pages", host.scrub_pages},
                    {"claimed_pages", host.outstanding_pages},
                    {"grant_versions", host.grants_v2 ? 2 : 1},
                    {"domains", hypervisor.domains().size()}};
    print(render_object(invocation.format, json));
    return ExitCode::Ok;
}

ExitCode run_dmesg(Invocation const& invocation)
{
    vm::Hypervisor const hypervisor;
    if (invocation.has("dry-run"))
    {
        bool const clear = invocation.has("clear");
        print(render_object(invocation.format, Json{{"action", clear ? "clear" : "none"}}));
        return clear ? ExitCode::WouldChange : ExitCode::Ok;
    }
    std::string const log = hypervisor.read_log(invocation.has("clear"));
    if (invocation.format == Format::Table)
    {
        print(log);
        return ExitCode::Ok;
    }
    Json rows = Json::array();
    for (std::size_t start = 0; start < log.size();)
    {
        std::size_t const end = std::min(log.find('\n', start), log.size());
        rows.push_back({{"line", log.substr(start, end - start)}});
        start = end + 1;
    }
    print(render_list(invocation.format, {{"line", "LINE"}}, rows));
    return ExitCode::Ok;
}

} // namespace

Verb const kHostInfo{"host info", "", 0, 0, "Show the hypervisor, its processors and memory", {}, run_info};
Verb const kHostDmesg{"host dmesg",
                      "",
                      0,
                      0,
                      "Print the hypervisor's log",
                      {{"clear", 'c', "", "empty the log afterwards"},
                       {"dry-run", 'n', "", "say what would be done, change nothing, exit with 10"}},
                      run_dmesg};

} // namespace vmctl
