// SPDX-License-Identifier: MIT
// The keys of xl.cfg: what each means for a PV guest, which have no effect here, and which cannot be honoured.
#include "config/load.hpp"

#include "base/error.hpp"
#include "config/device_spec.hpp"
#include "config/suggest.hpp"
#include "config/xl_syntax.hpp"

#include <charconv>
#include <functional>
#include <limits>
#include <map>

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
        if (!text || text->empty() || std::from_chars(text->data(), end, number).ptr != end)
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

std::vector<std::uint32_t> cpus_from_text(Context const& context, XlValue const& value, std::string const& text)
{
    std::vector<std::uint32_t> cpus;
    if (text == "all")
    {
        return cpus;
    }
    char const* cursor = text.data();
    char const* const end = cursor + text.size();
    while (cursor != end)
    {
        std::uint32_t first = 0;
        auto step = std::from_chars(cursor, end, first);
        std::uint32_t last = first;
        if (step.ec == std::errc() && step.ptr != end && *step.ptr == '-')
        {
            step = std::from_chars(step.ptr + 1, end, last);
        }
        bool const separated = step.ptr == end || (*step.ptr == ',' && step.ptr + 1 != end);
        if (step.ec != std::errc() || last < first || last > 4095 || !separated)
        {
            fail(context, value, "cpus", "'" + text + "' is not a list of CPUs", "write it as 0-3,5");
        }
        for (std::uint32_t cpu = first; cpu <= last; ++cpu)
        {
            cpus.push_back(cpu);
        }
        cursor = step.ptr == end ? end : step.ptr + 1;
    }
    return cpus;
}

void read_cpus(Context& context, XlValue const& value)
{
    if (auto const* text = value.string())
    {
        context.guest.cpus = cpus_from_text(context, value, *text);
        return;
    }
    if (value.number())
    {
        context.guest.cpus = {static_cast<std::uint32_t>(number_of(context, value, "cpus", 0, 4095))};
        return;
    }
    fail(context, value, "cpus", "one CPU per vCPU is not supported", "give one set for all vCPUs: cpus = \"0-3\"");
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
        {"vcpus", number_field(&GuestConfig::vcpus, 1, 8192)},
        {"maxvcpus", number_field(&GuestConfig::max_vcpus, 1, 8192)},
        {"cpus", [](auto& context, auto& value, auto&) { read_cpus(context, value); }},
        {"cpu_weight", number_field(&GuestConfig::weight, 1, 65535)},
        {"cap", number_field(&GuestConfig::cap, 0, 819200)},
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

/// Keys that xl knows and that change nothing for a PV guest here: accepted with a warning.
constexpr std::string_view kIgnored[] = {
    "acpi",
    "apic",
    "autoballoon",
    "claim_mode",
    "driver_domain",
    "keymap",
    "localtime",
    "nomigrate",
    "on_soft_reset",
    "on_xend_start",
    "on_xend_stop",
    "pae",
    "pool",
    "rtc_timeoffset",
    "serial",
    "shadow_memory",
    "suppress_spurious_page_faults",
    "tsc_mode",
    "vfb",
    "vga",
    "vnc",
    "vncconsole",
    "vnclisten",
    "vncpasswd",
    "vncunused",
    "sdl",
    "stdvga",
    "usb",
    "usbdevice",
    "videoram",
    "xen_platform_pci",
    "vuart",
    "xend_suspend_evtchn_compat",
};

/// Keys that xl knows and that a guest may depend on: refused, since ignoring them would change what the guest is.
constexpr std::string_view kRefused[] = {
    "altp2m",
    "argo",
    "bios",
    "boot",
    "bootloader",
    "bootloader_args",
    "channel",
    "cpuid",
    "cpus_soft",
    "device_model_override",
    "device_tree",
    "dtdev",
    "firmware",
    "gfx_passthru",
    "hvm",
    "hap",
    "init_seclabel",
    "iomem",
    "ioports",
    "irqs",
    "loader",
    "nestedhvm",
    "p9",
    "passthrough",
    "pci",
    "pvh",
    "pvshim",
    "seclabel",
    "tpm",
    "usbctrl",
    "usbdev",
    "vdispl",
    "viommu",
    "vkb",
    "vnuma",
    "vpmu",
    "vsnd",
    "vtpm",
};

[[noreturn]] void unknown_key(Context const& context, XlAssignment const& assignment)
{
    for (std::string_view const refused : kRefused)
    {
        if (assignment.key == refused)
        {
            bool const loader = assignment.key == "bootloader" || assignment.key == "loader";
            fail(context, assignment.value, assignment.key, "this key of xl.cfg is not supported",
                 loader ? "name kernel= and ramdisk= in the control domain instead" : "remove it");
        }
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
        bool const ignored = std::find(std::begin(kIgnored), std::end(kIgnored), key) != std::end(kIgnored);
        if (!ignored)
        {
            unknown_key(context, assignment);
        }
        parsed.warnings.push_back(where(context, assignment.value, key) + ": has no effect on this host");
    }
    assemble_command_line(context);
    return parsed;
}

} // namespace vm
