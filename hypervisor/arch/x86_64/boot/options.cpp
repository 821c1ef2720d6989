// SPDX-License-Identifier: MIT
// One table names every command-line option: what it means, who handles it, or why it has no effect here.
#include <arch/x86_64/boot/options.hpp>

#include <span>

namespace hv
{
namespace
{

using std::string_view;

Options the_options;

// The piece of `text` before `separator`, which is removed together with it.
string_view take(string_view& text, char separator)
{
    std::size_t const at = text.find(separator);
    string_view piece = text;
    if (at == string_view::npos)
    {
        text = {};
        return piece;
    }
    piece.remove_suffix(text.size() - at);
    text.remove_prefix(at + 1);
    return piece;
}

bool parse_flag(string_view value, bool& flag)
{
    if (value.empty() || value == "yes" || value == "on" || value == "true" || value == "1" || value == "enable")
        flag = true;
    else if (value == "no" || value == "off" || value == "false" || value == "0" || value == "disable")
        flag = false;
    else
        return false;
    return true;
}

bool parse_count(string_view value, std::uint32_t& count)
{
    std::uint64_t number = 0;
    if (!parse_number(value, number) || number > ~0u)
        return false;
    count = static_cast<std::uint32_t>(number);
    return true;
}

bool parse_amount(string_view text, MemoryAmount& amount)
{
    if (!text.empty() && text.back() == '%')
    {
        text.remove_suffix(1);
        amount.kind = MemoryAmount::Kind::Percent;
        return parse_number(text, amount.value) && amount.value <= 100;
    }
    bool const all_but = !text.empty() && text.front() == '-';
    if (all_but)
        text.remove_prefix(1);
    amount.kind = all_but ? MemoryAmount::Kind::AllBut : MemoryAmount::Kind::Absolute;
    return parse_size(text, amount.value);
}

bool set_dom0_memory(Options& o, string_view value)
{
    while (!value.empty())
    {
        string_view piece = take(value, ',');
        MemoryAmount* target = &o.dom0_memory;
        if (piece.starts_with("min:") || piece.starts_with("max:"))
        {
            target = piece[1] == 'i' ? &o.dom0_memory_minimum : &o.dom0_memory_maximum;
            piece.remove_prefix(4);
        }
        // "512M+25%": the fixed part counts, the share on top of it is left out
        if (!parse_amount(take(piece, '+'), *target))
        {
            *target = MemoryAmount{};
            return false;
        }
    }
    return true;
}

bool set_dom0_vcpus(Options& o, string_view value)
{
    if (value.find('-') == string_view::npos)
        return parse_count(value, o.dom0_vcpus_maximum);
    string_view const low = take(value, '-');
    return (low.empty() || parse_count(low, o.dom0_vcpus_minimum)) &&
           (value.empty() || parse_count(value, o.dom0_vcpus_maximum));
}

bool set_console(Options& o, string_view value)
{
    std::uint32_t devices = 0;
    bool understood = true;
    while (!value.empty())
    {
        string_view const name = take(value, ',');
        if (name.starts_with("com1"))
            devices |= static_cast<std::uint32_t>(ConsoleDevice::Com1);
        else if (name.starts_with("com2"))
            devices |= static_cast<std::uint32_t>(ConsoleDevice::Com2);
        else if (name == "vga")
            devices |= static_cast<std::uint32_t>(ConsoleDevice::Vga);
        else if (name != "none")
            understood = false;
    }
    if (understood)
        o.consoles = devices;
    return understood;
}

// <baud>[,<data bits><parity><stop bits>[,<port>[,<irq>]]]
bool set_serial(SerialOptions& serial, string_view value)
{
    string_view const baud = take(value, ',');
    string_view const frame = take(value, ',');
    string_view const port = take(value, ',');
    string_view const irq = take(value, ',');
    string_view speed = baud;
    std::uint64_t number = 0;
    if (baud != "auto" && !baud.empty())
    {
        if (!parse_number(take(speed, '/'), number) || number == 0 || number > 115200)
            return false;
        serial.baud = static_cast<std::uint32_t>(number);
    }
    if (frame.size() == 3 && frame[0] >= '5' && frame[0] <= '8' && (frame[2] == '1' || frame[2] == '2'))
    {
        serial.data_bits = static_cast<std::uint8_t>(frame[0] - '0');
        serial.parity = frame[1];
        serial.stop_bits = static_cast<std::uint8_t>(frame[2] - '0');
    }
    else if (!frame.empty())
    {
        return false;
    }
    if (!port.empty() && (!parse_number(port, number) || number > 0xfff8))
        return false;
    serial.port = port.empty() ? serial.port : static_cast<std::uint16_t>(number);
    if (!irq.empty() && (!parse_number(irq, number) || number > 15))
        return false;
    serial.irq = irq.empty() ? serial.irq : static_cast<std::uint8_t>(number);
    return true;
}

bool parse_level(string_view value, LogLevel& level, bool& none)
{
    value = take(value, '/');
    none = value == "none";
    if (value == "all" || value == "debug")
        level = LogLevel::Debug;
    else if (value == "info")
        level = LogLevel::Info;
    else if (value == "warning")
        level = LogLevel::Warning;
    else if (value == "error" || none)
        level = LogLevel::Error;
    else
        return false;
    return true;
}

bool set_reboot(Options& o, string_view value)
{
    if (value == "no")
        o.no_reboot = true;
    else if (value.starts_with('a'))
        o.reboot_method = RebootMethod::Acpi;
    else if (value.starts_with('p') || value.starts_with('P'))
        o.reboot_method = RebootMethod::Pci;
    else if (value.starts_with('k'))
        o.reboot_method = RebootMethod::Keyboard;
    else if (value.starts_with('t'))
        o.reboot_method = RebootMethod::TripleFault;
    else if (value.starts_with('n'))
        o.reboot_method = RebootMethod::None;
    else
        return false;
    return true;
}

bool set_ring_size(Options& o, string_view value)
{
    std::uint64_t bytes = 0;
    if (!parse_size(value, bytes) || bytes > (16u << 20))
        return false;
    o.console_ring_bytes = static_cast<std::uint32_t>(bytes);
    return true;
}

// These two can lower what the build allows, never raise it.
bool set_memory_limit(Options& o, string_view value)
{
    std::uint64_t bytes = 0;
    if (!parse_size(value, bytes))
        return false;
    o.memory_limit = bytes < o.memory_limit ? bytes : o.memory_limit;
    return true;
}

bool set_max_cpus(Options& o, string_view value)
{
    std::uint32_t count = 0;
    if (!parse_count(value, count))
        return false;
    o.max_cpus = count < o.max_cpus ? count : o.max_cpus;
    return true;
}

bool unused_none;

struct Option
{
    char const* name;
    bool (*handle)(Options&, string_view value); // nullptr: known, without effect
    char const* text;
};

constexpr Option kOptions[] = {
    {"dom0_mem", set_dom0_memory, "control domain memory: [min:A,][max:A,]A; A is a size, -size or percent%"},
    {"dom0_max_vcpus", set_dom0_vcpus, "control domain vCPUs: N, or MIN-MAX"},
    {"dom0_vcpus_pin", [](Options& o, string_view v) { return parse_flag(v, o.dom0_vcpus_pin); }, "pin its vCPUs"},
    {"console", set_console, "com1, com2, vga, none; several with commas"},
    {"com1", [](Options& o, string_view v) { return set_serial(o.com1, v); }, "baud[,8n1[,port[,irq]]]"},
    {"com2", [](Options& o, string_view v) { return set_serial(o.com2, v); }, "baud[,8n1[,port[,irq]]]"},
    {"loglvl", [](Options& o, string_view v) { return parse_level(v, o.log_level, unused_none); },
     "none, error, warning, info, debug or all"},
    {"guest_loglvl", [](Options& o, string_view v) { return parse_level(v, o.guest_log_level, o.guest_log_none); },
     "the same for lines that guests cause"},
    {"console_to_ring", [](Options& o, string_view v) { return parse_flag(v, o.console_to_ring); },
     "copy the control domain's console output to the ring"},
    {"console_timestamps",
     [](Options& o, string_view v) { return o.console_timestamps = v != "none" && v != "no", true; }, "time on lines"},
    {"conring_size", set_ring_size, "bytes of the console ring"},
    {"sync_console", [](Options&, string_view) { return true; }, "output is always written at once"},
    {"vga", [](Options& o, string_view v) { return o.vga_keep = v.find("keep") != string_view::npos, true; },
     "keep: go on using the text screen"},
    {"noreboot", [](Options& o, string_view v) { return parse_flag(v, o.no_reboot); }, "stop after a panic"},
    {"reboot", set_reboot, "acpi, pci, kbd, triple, no: how to reset the machine"},
    {"mem", set_memory_limit, "use memory below this address"},
    {"maxcpus", set_max_cpus, "start at most so many CPUs"},
    {"nosmp", [](Options& o, string_view v) { return parse_flag(v, o.no_smp); }, "start one CPU only"},
    {"smap", [](Options& o, string_view v) { return parse_flag(v, o.smap); }, "use SMAP where present"},
    {"smep", [](Options& o, string_view v) { return parse_flag(v, o.smep); }, "use SMEP where present"},
    {"acpi", [](Options& o, string_view v) { return parse_flag(v, o.acpi) || v == "force"; }, "read ACPI tables"},
    {"sched_ratelimit_us", [](Options& o, string_view v) { return parse_count(v, o.scheduler_tuning_microseconds); },
     "least time slice"},
    {"tsc", [](Options& o, string_view v) { return o.tsc_unstable = v == "unstable", true; }, "unstable: mistrust it"},
    {"sched", nullptr, "one scheduler, reported as credit2"},
    {"apic_verbosity", nullptr, "no extra interrupt-controller output"},
    {"allow_unsafe", nullptr, "nothing here depends on it"},
    {"ats", nullptr, "no IOMMU support"},
    {"bootscrub", nullptr, "memory is scrubbed before it changes owner"},
    {"clocksource", nullptr, "time is always the TSC"},
    {"cmci-threshold", nullptr, "machine checks are fatal"},
    {"cpufreq", nullptr, "no frequency scaling"},
    {"cpuidle", nullptr, "idle CPUs use HLT"},
    {"cpuid", nullptr, "set by the guests' CPU policy"},
    {"crashkernel", nullptr, "no crash kernel area"},
    {"credit2_runqueue", nullptr, "one run queue per CPU"},
    {"dom0", nullptr, "the control domain is always paravirtualized"},
    {"dom0_nodes", nullptr, "no NUMA placement"},
    {"dom0-iommu", nullptr, "no IOMMU support"},
    {"dom0_shadow", nullptr, "no shadow paging"},
    {"edd", nullptr, "no disk information is gathered"},
    {"edid", nullptr, "no monitor information is gathered"},
    {"efi", nullptr, "no EFI services"},
    {"ept", nullptr, "no hardware virtualization"},
    {"gnttab", nullptr, "both grant table versions are offered"},
    {"gnttab_max_frames", nullptr, "set per domain"},
    {"hap", nullptr, "no hardware virtualization"},
    {"hmp-unsafe", nullptr, "nothing here depends on it"},
    {"hpet", nullptr, "used for calibration only"},
    {"ioapic_ack", nullptr, "level interrupts are masked until the guest ends them"},
    {"iommu", nullptr, "no IOMMU support"},
    {"lapic", nullptr, "always used"},
    {"mce", nullptr, "machine checks are fatal"},
    {"mmcfg", nullptr, "the control domain uses the window itself"},
    {"msi", nullptr, "always offered"},
    {"mwait-idle", nullptr, "idle CPUs use HLT"},
    {"nmi", nullptr, "hardware NMIs are reported to the control domain"},
    {"numa", nullptr, "one memory node"},
    {"pci-phantom", nullptr, "no IOMMU support"},
    {"pcid", nullptr, "address space tags are not used"},
    {"placeholder", nullptr, "stands for the image's name in many boot entries"},
    {"ple_gap", nullptr, "no hardware virtualization"},
    {"pv", nullptr, "only 64-bit guests"},
    {"pv-l1tf", nullptr, "not mitigated"},
    {"pv-linear-pt", nullptr, "linear page tables are refused"},
    {"sched_credit_tslice_ms", nullptr, "set through the scheduler interface"},
    {"smt", nullptr, "all threads are used"},
    {"spec-ctrl", nullptr, "no configurable mitigations"},
    {"tickless", nullptr, "always tickless"},
    {"tboot", nullptr, "no measured launch"},
    {"tsx", nullptr, "left as the firmware set it"},
    {"ucode", nullptr, "microcode is left as the firmware loaded it"},
    {"vesa-ram", nullptr, "no graphics console"},
    {"vpid", nullptr, "no hardware virtualization"},
    {"vpmu", nullptr, "no performance counters for guests"},
    {"watchdog", nullptr, "no watchdog"},
    {"watchdog_timeout", nullptr, "no watchdog"},
    {"x2apic", nullptr, "used where the firmware enabled it"},
    {"xpti", nullptr, "page tables are not split"},
    {"xsave", nullptr, "used where present"},
};

Option const* find_option(string_view name)
{
    for (Option const& option : kOptions)
        if (name == option.name)
            return &option;
    return nullptr;
}

enum class Outcome : std::uint8_t
{
    Applied,
    Ignored,
    Malformed,
    Unknown,
};

Outcome apply(Options& result, string_view word, Option const*& option)
{
    string_view value = word;
    string_view name = take(value, '=');
    option = find_option(name);
    if (option == nullptr && name.starts_with("no-") && name.size() == word.size())
    {
        name.remove_prefix(3);
        option = find_option(name);
        value = "no";
    }
    if (option == nullptr)
        return Outcome::Unknown;
    if (option->handle == nullptr)
        return Outcome::Ignored;
    return option->handle(result, value) ? Outcome::Applied : Outcome::Malformed;
}

template<typename Visit>
void for_each_word(char const* line, Visit&& visit)
{
    string_view rest = line;
    while (!rest.empty())
    {
        string_view const word = take(rest, ' ');
        if (word == "--")
            return; // what follows belongs to the control domain's kernel
        if (!word.empty())
            visit(word);
    }
}

} // namespace

Options& options()
{
    return the_options;
}

void parse_options(Options& result, char const* line)
{
    for_each_word(line, [&](string_view word) {
        Option const* option = nullptr;
        apply(result, word, option);
    });
}

void log_options(char const* line)
{
    log_info("Command line: {}", line);
    for_each_word(line, [&](string_view word) {
        Options scratch;
        Option const* option = nullptr;
        Outcome const outcome = apply(scratch, word, option);
        char text[80] = {};
        for (std::size_t i = 0; i < word.size() && i + 1 < sizeof(text); ++i)
            text[i] = word[i];
        if (outcome == Outcome::Unknown)
            log_warning("Option \"{}\" is unknown and has no effect", text);
        else if (outcome == Outcome::Malformed)
            log_warning("Option \"{}\" cannot be understood, expected: {}", text, option->text);
        else if (outcome == Outcome::Ignored)
            log_info("Option \"{}\" is accepted without effect: {}", text, option->text);
    });
}

} // namespace hv
