// SPDX-License-Identifier: MIT
// The keys of xl.cfg: what each means for a PV guest.
#include "config/load.hpp"

#include "base/error.hpp"
#include "config/device_spec.hpp"
#include "config/suggest.hpp"
#include "config/xl_keys.hpp"
#include "config/xl_syntax.hpp"

#include <algorithm>
#include <charconv>
#include <functional>
#include <limits>
#include <map>
#include <set>

namespace vm
{
namespace
{

struct Context
{
    GuestConfig& guest;
    std::vector<std::string>& warnings;
    std::string const& source;
    std::string root;
    std::string extra;
    bool has_command_line = false;
};

std::string where(Context const& context, XlValue const& value, std::string const& key)
{
    return context.source + ":" + std::to_string(value.line) + ": " + key;
}

[[noreturn]] void fail(Context const& context, XlValue const& value, std::string const& key, std::string const& cause,
                       std::string const& hint = {})
{
    throw Error(ExitCode::Usage, where(context, value, key) + ": " + cause, hint);
}

std::string text_of(Context const& context, XlValue const& value, std::string const& key)
{
    if (auto const* text = value.string())
    {
        return *text;
    }
    fail(context, value, key, "must be a string", "put the value in quotation marks");
}

/// Numbers may be quoted, as older files do.
std::int64_t number_of(Context const& context, XlValue const& value, std::string const& key, std::int64_t low,
                       std::int64_t high)
{
    std::int64_t number = 0;
    if (auto const* direct = value.number())
    {
        number = *direct;
    }
    else
    {
        auto const* text = value.string();
        char const* const end = text ? text->data() + text->size() : nullptr;
        auto const result = text ? std::from_chars(text->data(), end, number) : std::from_chars_result{};
        if (!text || text->empty() || result.ec != std::errc() || result.ptr != end)
        {
            fail(context, value, key, "must be a whole number");
        }
    }
    if (number < low || number > high)
    {
        fail(context, value, key,
             "is " + std::to_string(number) + ", but must be between " + std::to_string(low) + " and " +
                 std::to_string(high));
    }
    return number;
}

/// A list of strings; a single string counts as a list of one.
std::vector<std::string> strings_of(Context const& context, XlValue const& value, std::string const& key)
{
    if (auto const* text = value.string())
    {
        return {*text};
    }
    auto const* list = value.list();
    if (!list)
    {
        fail(context, value, key, "must be a list of strings", "write " + key + " = [ '...', '...' ]");
    }
    std::vector<std::string> strings;
    for (XlValue const& item : *list)
    {
        strings.push_back(text_of(context, item, key));
    }
    return strings;
}

EndAction action_of(Context const& context, XlValue const& value, std::string const& key)
{
    std::string const text = text_of(context, value, key);
    auto const action = parse_end_action(text);
    if (!action)
    {
        fail(context, value, key, "unknown action '" + text + "'",
             did_you_mean(text,
                          {"destroy", "restart", "rename-restart", "preserve", "coredump-destroy", "coredump-restart"},
                          "use destroy, restart, rename-restart, preserve, coredump-destroy or coredump-restart"));
    }
    return *action;
}

[[noreturn]] void bad_cpus(Context const& context, XlValue const& value, std::string const& text)
{
    bool const by_name = text.find("node") != text.npos || text.find("pool") != text.npos;
    fail(context, value, "cpus", "'" + text + "' is not a list of CPUs",
         by_name ? "name the CPUs themselves: 0-3,5" : "write it as 0-3,^1,5");
}

/// Takes one member of the list, "3", "0-3" or either after "^", into the set.
void read_cpu_range(Context const& context, XlValue const& value, std::string const& whole, std::string_view text,
                    std::set<std::uint32_t>& cpus)
{
    bool const remove = text.starts_with('^');
    text.remove_prefix(remove ? 1 : 0);
    char const* const end = text.end();
    std::uint32_t first = 0;
    auto step = std::from_chars(text.begin(), end, first);
    std::uint32_t last = first;
    if (step.ec == std::errc() && step.ptr != end && *step.ptr == '-')
    {
        step = std::from_chars(step.ptr + 1, end, last);
    }
    if (step.ec != std::errc() || step.ptr != end || last < first || last >= kMaxCpus)
    {
        bad_cpus(context, value, whole);
    }
    for (std::uint32_t cpu = first; cpu <= last; ++cpu)
    {
        remove ? void(cpus.erase(cpu)) : void(cpus.insert(cpu));
    }
}

std::set<std::uint32_t> cpus_from_text(Context const& context, XlValue const& value, std::string const& text)
{
    std::set<std::uint32_t> cpus;
    std::string compact = text;
    std::erase_if(compact, [](char character) { return character == ' ' || character == '\t'; });
    for (std::size_t start = 0; start <= compact.size();)
    {
        std::size_t const comma = std::min(compact.find(',', start), compact.size());
        read_cpu_range(context, value, text, std::string_view(compact).substr(start, comma - start), cpus);
        start = comma + 1;
    }
    if (cpus.empty())
    {
        fail(context, value, "cpus", "'" + text + "' leaves no CPU");
    }
    return cpus;
}

/// One set of CPUs; empty: any.
std::vector<std::uint32_t> cpus_of(Context const& context, XlValue const& value)
{
    if (value.number())
    {
        return {static_cast<std::uint32_t>(number_of(context, value, "cpus", 0, kMaxCpus - 1))};
    }
    std::string const text = text_of(context, value, "cpus");
    std::set<std::uint32_t> const cpus =
        text == "all" ? std::set<std::uint32_t>{} : cpus_from_text(context, value, text);
    return {cpus.begin(), cpus.end()};
}

/// A list gives each vCPU its own set.
void read_cpus(Context& context, XlValue const& value)
{
    auto const* list = value.list();
    if (!list)
    {
        context.guest.cpus = cpus_of(context, value);
        return;
    }
    for (XlValue const& item : *list)
    {
        context.guest.cpus_by_vcpu.push_back(cpus_of(context, item));
    }
}

void require_pv(Context const& context, XlValue const& value, std::string const& key)
{
    std::string const text = text_of(context, value, key);
    if (text != "pv" && text != "generic" && text != "linux")
    {
        fail(context, value, key, "'" + text + "' guests are not supported",
             "only paravirtual guests run here: type = \"pv\"");
    }
}

using Handler = std::function<void(Context&, XlValue const&, std::string const&)>;

/// A handler that stores a text, a number or an end action in one field.
Handler text_field(std::string GuestConfig::* field)
{
    return [field](Context& context, XlValue const& value, std::string const& key) {
        context.guest.*field = text_of(context, value, key);
    };
}

template<typename Number>
Handler number_field(Number GuestConfig::* field, std::int64_t low, std::int64_t high)
{
    return [field, low, high](Context& context, XlValue const& value, std::string const& key) {
        context.guest.*field = static_cast<std::uint32_t>(number_of(context, value, key, low, high));
    };
}

Handler memory_field(std::uint64_t GuestConfig::* field)
{
    return [field](Context& context, XlValue const& value, std::string const& key) {
        context.guest.*field = static_cast<std::uint64_t>(
            number_of(context, value, key, 1, std::numeric_limits<std::int64_t>::max() / (1 << 20)));
    };
}

Handler action_field(EndAction GuestConfig::* field)
{
    return [field](Context& context, XlValue const& value, std::string const& key) {
        context.guest.*field = action_of(context, value, key);
    };
}

void read_uuid(Context& context, XlValue const& value, std::string const& key)
{
    context.guest.uuid = parse_uuid(text_of(context, value, key));
    if (!context.guest.uuid)
    {
        fail(context, value, key, "this is not a UUID", "write it as 01234567-89ab-cdef-0123-456789abcdef");
    }
}

void read_disks(Context& context, XlValue const& value, std::string const& key)
{
    for (std::string const& text : strings_of(context, value, key))
    {
        context.guest.disks.push_back(parse_disk(text, where(context, value, key)));
    }
}

void read_nics(Context& context, XlValue const& value, std::string const& key)
{
    for (std::string const& text : strings_of(context, value, key))
    {
        context.guest.nics.push_back(parse_nic(text, where(context, value, key)));
    }
}

void read_command_line(Context& context, XlValue const& value, std::string const& key)
{
    context.guest.command_line = text_of(context, value, key);
    context.has_command_line = true;
}

std::map<std::string, Handler, std::less<>> const& handlers()
{
    static std::map<std::string, Handler, std::less<>> const table{
        {"name", text_field(&GuestConfig::name)},
        {"uuid", read_uuid},
        {"type", require_pv},
        {"builder", require_pv},
        {"kernel", text_field(&GuestConfig::kernel)},
        {"ramdisk", text_field(&GuestConfig::ramdisk)},
        {"cmdline", read_command_line},
        {"root", [](auto& context, auto& value, auto& key) { context.root = text_of(context, value, key); }},
        {"extra", [](auto& context, auto& value, auto& key) { context.extra = text_of(context, value, key); }},
        {"memory", memory_field(&GuestConfig::memory_mib)},
        {"maxmem", memory_field(&GuestConfig::max_memory_mib)},
        {"vcpus", number_field(&GuestConfig::vcpus, 1, kMaxVcpus)},
        {"maxvcpus", number_field(&GuestConfig::max_vcpus, 1, kMaxVcpus)},
        {"cpus", [](auto& context, auto& value, auto&) { read_cpus(context, value); }},
        {"cpu_weight", number_field(&GuestConfig::weight, 1, kMaxWeight)},
        {"cap", number_field(&GuestConfig::cap, 0, kMaxCap)},
        {"on_poweroff", action_field(&GuestConfig::on_poweroff)},
        {"on_reboot", action_field(&GuestConfig::on_reboot)},
        {"on_crash", action_field(&GuestConfig::on_crash)},
        {"on_watchdog", action_field(&GuestConfig::on_watchdog)},
        {"max_grant_frames", number_field(&GuestConfig::max_grant_frames, 1, 4096)},
        {"max_maptrack_frames", number_field(&GuestConfig::max_maptrack_frames, 0, 65536)},
        {"max_event_channels", number_field(&GuestConfig::max_event_channels, 3, 131071)},
        {"disk", read_disks},
        {"vif", read_nics},
    };
    return table;
}

[[noreturn]] void unknown_key(Context const& context, XlAssignment const& assignment)
{
    if (xl_key_kind(assignment.key) == XlKeyKind::Refused)
    {
        bool const loader = assignment.key == "bootloader" || assignment.key == "loader";
        fail(context, assignment.value, assignment.key, "this key of xl.cfg is not supported",
             loader ? "name kernel= and ramdisk= in the control domain instead" : "remove it");
    }
    std::vector<std::string_view> known;
    for (auto const& entry : handlers())
    {
        known.push_back(entry.first);
    }
    fail(context, assignment.value, assignment.key, "unknown key",
         did_you_mean(assignment.key, known, "vmctl(8) lists the keys"));
}

/// Joins the value of "key += value" to what the key had before.
XlValue appended(Context const& context, XlAssignment const& assignment, XlValue const& before)
{
    XlValue joined = before;
    if (before.list() && assignment.value.list())
    {
        auto& list = std::get<XlList>(joined.data);
        list.insert(list.end(), assignment.value.list()->begin(), assignment.value.list()->end());
    }
    else if (before.string() && assignment.value.string())
    {
        std::get<std::string>(joined.data) += *assignment.value.string();
    }
    else
    {
        fail(context, assignment.value, assignment.key, "'+=' joins two lists or two strings only");
    }
    joined.line = assignment.value.line;
    return joined;
}

void assemble_command_line(Context& context)
{
    if (context.has_command_line)
    {
        if (!context.root.empty() || !context.extra.empty())
        {
            context.warnings.push_back(context.source + ": cmdline is given, so root and extra have no effect");
        }
        return;
    }
    std::string line = context.root.empty() ? "" : "root=" + context.root;
    if (!context.extra.empty())
    {
        line += (line.empty() ? "" : " ") + context.extra;
    }
    context.guest.command_line = line;
}

} // namespace

ParsedConfig parse_xl_config(std::string_view text, std::string const& source)
{
    ParsedConfig parsed;
    Context context{parsed.guest, parsed.warnings, source, {}, {}};
    std::map<std::string, XlAssignment> last; // the last assignment of a key counts, as in xl
    for (XlAssignment& assignment : parse_xl_syntax(text, source))
    {
        auto const before = last.find(assignment.key);
        if (assignment.append && before != last.end())
        {
            assignment.value = appended(context, assignment, before->second.value);
        }
        last[assignment.key] = std::move(assignment);
    }
    for (auto const& [key, assignment] : last)
    {
        auto const handler = handlers().find(key);
        if (handler != handlers().end())
        {
            handler->second(context, assignment.value, key);
            continue;
        }
        if (xl_key_kind(key) != XlKeyKind::Ignored)
        {
            unknown_key(context, assignment);
        }
        parsed.warnings.push_back(where(context, assignment.value, key) + ": has no effect on this host");
    }
    assemble_command_line(context);
    return parsed;
}

} // namespace vm
