// SPDX-License-Identifier: MIT
// Reads one network interface specification and the rate notation within it.
#include "config/device_spec.hpp"

#include "base/error.hpp"
#include "config/suggest.hpp"

#include <charconv>
#include <net/if.h>

namespace vm
{
namespace
{

[[noreturn]] void fail(std::string const& where, std::string const& specification, std::string const& cause,
                       std::string const& hint = {})
{
    throw Error(ExitCode::Usage, where + ": " + cause + " in vif '" + specification + "'", hint);
}

std::string_view trim(std::string_view text)
{
    std::size_t const first = text.find_first_not_of(" \t");
    std::size_t const last = text.find_last_not_of(" \t");
    return first == text.npos ? std::string_view{} : text.substr(first, last - first + 1);
}

/// Takes a number from the front of `text`; false if there is none.
bool take_number(std::string_view& text, std::uint64_t& number)
{
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc())
    {
        return false;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

bool take_interval(std::string_view text, std::uint64_t& microseconds)
{
    if (!take_number(text, microseconds) || microseconds == 0)
    {
        return false;
    }
    std::uint64_t factor = 0;
    if (text.empty() || text == "us" || text == "u")
    {
        factor = 1;
    }
    else if (text == "ms" || text == "m")
    {
        factor = 1000;
    }
    else if (text == "s")
    {
        factor = 1'000'000;
    }
    return factor != 0 && !__builtin_mul_overflow(microseconds, factor, &microseconds) && microseconds <= 1'000'000'000;
}

void read_field(NicConfig& nic, std::string_view key, std::string_view value, std::string const& where,
                std::string const& specification)
{
    std::string const text(value);
    if (key == "mac")
    {
        auto const mac = normalise_mac(value);
        if (!mac)
        {
            fail(where, specification, "'" + text + "' is not a usable address", "write it as 00:16:3e:12:34:56");
        }
        nic.mac = *mac;
    }
    else if (key == "bridge" || key == "vifname")
    {
        if (!is_interface_name(value))
        {
            fail(where, specification, "'" + text + "' is not an interface name", "at most 15 characters");
        }
        (key == "bridge" ? nic.bridge : nic.interface_name) = text;
    }
    else if (key == "ip")
    {
        nic.address = text;
    }
    else if (key == "mtu")
    {
        std::uint64_t mtu = 0;
        if (!take_number(value, mtu) || !value.empty() || mtu < 68 || mtu > 65535)
        {
            fail(where, specification, "'" + text + "' is not an MTU", "use 68 to 65535");
        }
        nic.mtu = static_cast<std::uint32_t>(mtu);
    }
    else if (key == "rate")
    {
        if (!parse_rate(value, nic))
        {
            fail(where, specification, "'" + text + "' is not a rate", "write it as 10Mb/s or 1MB/s@20ms");
        }
    }
    else if (key == "backend")
    {
        if (value != "0" && value != "Domain-0")
        {
            fail(where, specification, "only the control domain can serve networks");
        }
    }
    else if (key == "devid")
    {
        std::uint64_t number = 0;
        if (!take_number(value, number) || !value.empty() || number > kMaxNicNumber)
        {
            fail(where, specification, "'" + text + "' is not a device number",
                 "use 0 to " + std::to_string(kMaxNicNumber));
        }
        nic.number = static_cast<std::uint32_t>(number);
    }
    else if (key == "gatewaydev" || (key == "script" && value.substr(value.rfind('/') + 1) != "vif-bridge"))
    {
        fail(where, specification, "scripts are not run, so an interface can be added to a bridge only",
             "name a bridge instead");
    }
    else if (key != "script" && key != "type" && key != "model" && key != "trusted")
    {
        fail(where, specification, "unknown key '" + std::string(key) + "'",
             did_you_mean(key, {"mac", "bridge", "vifname", "ip", "mtu", "rate", "devid", "backend", "script", "type",
                                "model", "trusted"}));
    }
}

} // namespace

bool is_interface_name(std::string_view name)
{
    return !name.empty() && name.size() < IFNAMSIZ && name != "." && name != ".." &&
           name.find_first_of("/ \t:") == name.npos;
}

std::optional<std::string> normalise_mac(std::string_view text)
{
    if (text.size() != 17)
    {
        return std::nullopt;
    }
    std::string mac;
    for (std::size_t index = 0; index < text.size(); ++index)
    {
        char character = text[index];
        if (index % 3 == 2)
        {
            if (character != ':')
            {
                return std::nullopt;
            }
        }
        else if (character >= 'A' && character <= 'F')
        {
            character = static_cast<char>(character - 'A' + 'a');
        }
        else if (!((character >= '0' && character <= '9') || (character >= 'a' && character <= 'f')))
        {
            return std::nullopt;
        }
        mac += character;
    }
    bool const multicast = std::string_view("13579bdf").find(mac[1]) != std::string_view::npos;
    if (multicast || mac == "00:00:00:00:00:00")
    {
        return std::nullopt;
    }
    return mac;
}

bool parse_rate(std::string_view text, NicConfig& nic)
{
    std::size_t const at = text.find('@');
    std::uint64_t interval = 50'000;
    if (at != text.npos && !take_interval(text.substr(at + 1), interval))
    {
        return false;
    }
    text = text.substr(0, at);
    std::uint64_t amount = 0;
    if (!take_number(text, amount) || amount == 0)
    {
        return false;
    }
    std::uint64_t factor = 1;
    if (!text.empty() && (text[0] == 'K' || text[0] == 'M' || text[0] == 'G'))
    {
        factor = text[0] == 'K' ? 1000 : text[0] == 'M' ? 1'000'000 : 1'000'000'000;
        text.remove_prefix(1);
    }
    if ((text != "b/s" && text != "B/s") || __builtin_mul_overflow(amount, factor, &amount))
    {
        return false;
    }
    std::uint64_t const bytes_per_second = text == "b/s" ? amount / 8 : amount;
    unsigned __int128 const bytes = static_cast<unsigned __int128>(bytes_per_second) * interval / 1'000'000;
    if (bytes == 0 || bytes > 0xffffffffu)
    {
        return false;
    }
    nic.rate_bytes = static_cast<std::uint64_t>(bytes);
    nic.rate_interval_us = interval;
    return true;
}

NicConfig parse_nic(std::string const& specification, std::string const& where)
{
    NicConfig nic;
    std::string_view rest = specification;
    while (!trim(rest).empty())
    {
        std::size_t const comma = rest.find(',');
        std::string_view const field = trim(rest.substr(0, comma));
        rest = comma == rest.npos ? std::string_view{} : rest.substr(comma + 1);
        std::size_t const equals = field.find('=');
        if (field == "trusted" || field == "untrusted")
        {
            continue; // for the guest to know; back ends here are those of the control domain
        }
        if (equals == field.npos)
        {
            fail(where, specification, "'" + std::string(field) + "' is not of the form key=value");
        }
        read_field(nic, trim(field.substr(0, equals)), trim(field.substr(equals + 1)), where, specification);
    }
    return nic;
}

} // namespace vm
