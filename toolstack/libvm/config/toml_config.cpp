// SPDX-License-Identifier: MIT
// The TOML form of a guest: the same content as xl.cfg with tables for devices and units for sizes.
#include "config/load.hpp"

#include "base/error.hpp"
#include "config/device_spec.hpp"
#include "config/suggest.hpp"

#include <algorithm>
#include <charconv>
#include <toml++/toml.h>

namespace vm
{
namespace
{

/// One table while it is read: every key must be asked for, what is left over is unknown.
class TableReader
{
public:
    TableReader(toml::table const& table, std::string const& source, std::string name)
        : table_(table), source_(source), name_(std::move(name))
    {
    }

    [[noreturn]] void fail(std::string const& key, std::string const& cause, std::string const& hint = {}) const
    {
        auto const* node = table_.get(key);
        auto const line = node ? node->source().begin.line : table_.source().begin.line;
        throw Error(ExitCode::Usage, source_ + ":" + std::to_string(line) + ": " + name_ + key + ": " + cause, hint);
    }

    toml::node const* take(std::string_view key)
    {
        known_.push_back(key);
        return table_.get(key);
    }

    void text(std::string_view key, std::string& field)
    {
        if (auto const* node = take(key))
        {
            auto const value = node->value_exact<std::string>();
            if (!value)
            {
                fail(std::string(key), "must be a string");
            }
            field = *value;
        }
    }

    void boolean(std::string_view key, bool& field)
    {
        if (auto const* node = take(key))
        {
            auto const value = node->value_exact<bool>();
            if (!value)
            {
                fail(std::string(key), "must be true or false");
            }
            field = *value;
        }
    }

    std::optional<std::int64_t> number(std::string_view key, std::int64_t low, std::int64_t high)
    {
        auto const* node = take(key);
        if (!node)
        {
            return std::nullopt;
        }
        auto const value = node->value_exact<std::int64_t>();
        if (!value || *value < low || *value > high)
        {
            fail(std::string(key),
                 "must be a whole number between " + std::to_string(low) + " and " + std::to_string(high));
        }
        return value;
    }

    void memory(std::string_view key, std::uint64_t& mebibytes);
    void action(std::string_view key, EndAction& field);

    void finish() const
    {
        for (auto const& [key, node] : table_)
        {
            std::string_view const word = key.str();
            if (std::find(known_.begin(), known_.end(), word) == known_.end())
            {
                fail(std::string(word), "unknown key", did_you_mean(word, known_, "vmctl(8) lists the keys"));
            }
        }
    }

private:
    toml::table const& table_;
    std::string const& source_;
    std::string name_;
    std::vector<std::string_view> known_;
};

void TableReader::memory(std::string_view key, std::uint64_t& mebibytes)
{
    auto const* node = take(key);
    if (!node)
    {
        return;
    }
    if (auto const whole = node->value_exact<std::int64_t>(); whole && *whole > 0)
    {
        mebibytes = static_cast<std::uint64_t>(*whole);
        return;
    }
    auto const text = node->value_exact<std::string>();
    std::uint64_t amount = 0;
    if (text)
    {
        auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), amount);
        std::string_view const unit(end, static_cast<std::size_t>(text->data() + text->size() - end));
        std::uint64_t const factor = unit == "MiB" ? 1 : unit == "GiB" ? 1024 : 0;
        if (error == std::errc() && amount > 0 && factor > 0 && amount < (1ull << 40))
        {
            mebibytes = amount * factor;
            return;
        }
    }
    fail(std::string(key), "must be an amount of memory", "write 256 (MiB), \"256MiB\" or \"2GiB\"");
}

void TableReader::action(std::string_view key, EndAction& field)
{
    std::string word;
    text(key, word);
    if (word.empty())
    {
        return;
    }
    auto const action = parse_end_action(word);
    if (!action)
    {
        fail(std::string(key), "unknown action '" + word + "'");
    }
    field = *action;
}

DiskConfig read_disk(toml::table const& table, std::string const& source)
{
    TableReader reader(table, source, "disk.");
    DiskConfig disk;
    bool read_only = false;
    reader.text("target", disk.target);
    reader.text("device", disk.device);
    reader.boolean("readonly", read_only);
    reader.boolean("discard", disk.discard);
    reader.finish();
    disk.writable = !read_only;
    auto const number = virtual_device_number(disk.device);
    if (!number)
    {
        reader.fail("device", "'" + disk.device + "' is not a device name", "use \"xvda\", \"xvdb\", ...");
    }
    disk.number = *number;
    if (disk.target.empty() || disk.target.front() != '/')
    {
        reader.fail("target", "must be the absolute path of a file or block device");
    }
    return disk;
}

NicConfig read_nic(toml::table const& table, std::string const& source)
{
    TableReader reader(table, source, "network.");
    NicConfig nic;
    std::string rate;
    reader.text("mac", nic.mac);
    reader.text("bridge", nic.bridge);
    reader.text("interface", nic.interface_name);
    reader.text("address", nic.address);
    reader.text("rate", rate);
    auto const mtu = reader.number("mtu", 68, 65535);
    if (auto const number = reader.number("devid", 0, kMaxNicNumber))
    {
        nic.number = static_cast<std::uint32_t>(*number);
    }
    reader.finish();
    if (mtu)
    {
        nic.mtu = static_cast<std::uint32_t>(*mtu);
    }
    if (!nic.mac.empty())
    {
        auto const mac = normalise_mac(nic.mac);
        if (!mac)
        {
            reader.fail("mac", "'" + nic.mac + "' is not a usable address");
        }
        nic.mac = *mac;
    }
    for (auto const& [key, name] : {std::pair("bridge", nic.bridge), std::pair("interface", nic.interface_name)})
    {
        if (!name.empty() && !is_interface_name(name))
        {
            reader.fail(key, "'" + name + "' is not an interface name", "at most 15 characters");
        }
    }
    if (!rate.empty() && !parse_rate(rate, nic))
    {
        reader.fail("rate", "'" + rate + "' is not a rate", "write it as \"10Mb/s\" or \"1MB/s@20ms\"");
    }
    return nic;
}

/// Calls `read` for each table of an array of tables.
template<typename Read>
void each_table(TableReader& reader, std::string_view key, Read read)
{
    auto const* node = reader.take(key);
    if (!node)
    {
        return;
    }
    auto const* array = node->as_array();
    if (!array || !array->is_array_of_tables())
    {
        reader.fail(std::string(key), "must be a list of tables", "write [[" + std::string(key) + "]] before each");
    }
    for (auto const& item : *array)
    {
        read(*item.as_table());
    }
}

void read_guest(TableReader& reader, GuestConfig& guest)
{
    std::string uuid;
    reader.text("name", guest.name);
    reader.text("uuid", uuid);
    reader.text("kernel", guest.kernel);
    reader.text("ramdisk", guest.ramdisk);
    reader.text("cmdline", guest.command_line);
    reader.memory("memory", guest.memory_mib);
    reader.memory("maxmem", guest.max_memory_mib);
    guest.vcpus = static_cast<std::uint32_t>(reader.number("vcpus", 1, kMaxVcpus).value_or(1));
    guest.max_vcpus = static_cast<std::uint32_t>(reader.number("maxvcpus", 1, kMaxVcpus).value_or(guest.vcpus));
    if (auto const weight = reader.number("weight", 1, kMaxWeight))
    {
        guest.weight = static_cast<std::uint32_t>(*weight);
    }
    if (auto const cap = reader.number("cap", 0, kMaxCap))
    {
        guest.cap = static_cast<std::uint32_t>(*cap);
    }
    if (auto const* cpus = reader.take("cpus"))
    {
        auto const* array = cpus->as_array();
        for (std::size_t index = 0; array && index < array->size(); ++index)
        {
            auto const cpu = array->get(index)->value_exact<std::int64_t>().value_or(-1);
            if (cpu < 0 || cpu >= kMaxCpus)
            {
                array = nullptr;
                break;
            }
            guest.cpus.push_back(static_cast<std::uint32_t>(cpu));
        }
        if (!array)
        {
            reader.fail("cpus", "must be a list of CPU numbers");
        }
    }
    reader.action("on_poweroff", guest.on_poweroff);
    reader.action("on_reboot", guest.on_reboot);
    reader.action("on_crash", guest.on_crash);
    reader.action("on_watchdog", guest.on_watchdog);
    guest.max_grant_frames = static_cast<std::int32_t>(reader.number("max_grant_frames", 1, 4096).value_or(-1));
    guest.max_maptrack_frames = static_cast<std::int32_t>(reader.number("max_maptrack_frames", 0, 65536).value_or(-1));
    guest.max_event_channels =
        static_cast<std::uint32_t>(reader.number("max_event_channels", 3, 131071).value_or(1023));
    if (!uuid.empty())
    {
        guest.uuid = parse_uuid(uuid);
        if (!guest.uuid)
        {
            reader.fail("uuid", "this is not a UUID");
        }
    }
}

} // namespace

ParsedConfig parse_toml_config(std::string_view text, std::string const& source)
{
    ParsedConfig parsed;
    try
    {
        toml::table const table = toml::parse(text, source);
        TableReader reader(table, source, "");
        read_guest(reader, parsed.guest);
        each_table(reader, "disk",
                   [&](toml::table const& disk) { parsed.guest.disks.push_back(read_disk(disk, source)); });
        each_table(reader, "network",
                   [&](toml::table const& nic) { parsed.guest.nics.push_back(read_nic(nic, source)); });
        reader.finish();
    }
    catch (toml::parse_error const& error)
    {
        throw Error(ExitCode::Usage,
                    source + ":" + std::to_string(error.source().begin.line) + ": " + std::string(error.description()));
    }
    return parsed;
}

} // namespace vm
