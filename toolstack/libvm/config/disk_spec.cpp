// SPDX-License-Identifier: MIT
// Reads one disk specification: positional fields, named fields and the older prefixes, in any mix that xl allows.
#include "config/device_spec.hpp"

#include "base/error.hpp"
#include "config/suggest.hpp"

#include <array>

namespace vm
{
namespace
{

std::string_view trim(std::string_view text)
{
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    {
        text.remove_prefix(1);
    }
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    {
        text.remove_suffix(1);
    }
    return text;
}

class DiskReader
{
public:
    DiskReader(std::string const& specification, std::string const& where)
        : specification_(specification), where_(where)
    {
    }

    DiskConfig read()
    {
        std::string_view rest = specification_;
        rest = strip_prefix(rest);
        while (!rest.empty())
        {
            std::string_view const trimmed = trim(rest);
            if (trimmed.starts_with("target="))
            {
                set_target(trimmed.substr(7)); // takes the rest of the line, commas and all
                break;
            }
            std::size_t const comma = rest.find(',');
            read_field(trim(rest.substr(0, comma)));
            rest = comma == rest.npos ? std::string_view{} : rest.substr(comma + 1);
        }
        return finish();
    }

private:
    [[noreturn]] void fail(std::string const& cause, std::string const& hint = {}) const
    {
        throw Error(ExitCode::Usage, where_ + ": " + cause + " in disk '" + specification_ + "'", hint);
    }

    std::string_view strip_prefix(std::string_view text)
    {
        text = trim(text);
        for (std::string_view const prefix : {"phy:", "file:", "raw:", "tap:aio:", "tap2:aio:"})
        {
            if (text.starts_with(prefix))
            {
                text.remove_prefix(prefix.size());
                old_form_ = true;
                device_ = prefix == "phy:";
                return text;
            }
        }
        std::string_view format = text;
        for (std::string_view const tap : {"tap:", "tap2:"})
        {
            format.remove_prefix(format.starts_with(tap) ? tap.size() : 0);
        }
        for (std::string_view const prefix : {"qcow:", "qcow2:", "vhd:", "vdi:", "tapdisk:", "ram:", "sync:"})
        {
            if (format.starts_with(prefix))
            {
                fail("the prefix '" + std::string(prefix) + "' names a format that is not supported",
                     "convert the image to raw");
            }
        }
        return text;
    }

    void read_field(std::string_view field)
    {
        std::size_t const equals = field.find('=');
        if (equals != field.npos && field.substr(0, equals).find('/') == field.npos)
        {
            read_named(field.substr(0, equals), field.substr(equals + 1));
            return;
        }
        if (read_flag(field))
        {
            return;
        }
        read_positional(field);
    }

    bool read_flag(std::string_view field)
    {
        if (field == "discard" || field == "no-discard")
        {
            disk_.discard = field == "discard";
            return true;
        }
        if (field == "direct-io-safe" || field == "trusted" || field == "untrusted")
        {
            return true;
        }
        if (field == "cdrom")
        {
            disk_.writable = false;
            return true;
        }
        return false;
    }

    /// The older form has no format field: TARGET,DEVICE,ACCESS.
    void read_positional(std::string_view field)
    {
        if (old_form_ && position_ == 1)
        {
            ++position_;
        }
        switch (position_++)
        {
        case 0: set_target(field); break;
        case 1: set_format(field); break;
        case 2: set_device(field); break;
        case 3: set_access(field); break;
        default: fail("unexpected field '" + std::string(field) + "'");
        }
    }

    void read_named(std::string_view key, std::string_view value)
    {
        if (key == "format")
        {
            set_format(value);
        }
        else if (key == "vdev")
        {
            set_device(value);
        }
        else if (key == "access")
        {
            set_access(value);
        }
        else if (key == "devtype")
        {
            read_flag(value);
        }
        else if (key == "backendtype")
        {
            if (value != "phy" && value != "qdisk")
            {
                fail("the back end '" + std::string(value) + "' is not supported", "use backendtype=phy");
            }
        }
        else if (key == "backend")
        {
            if (value != "0" && value != "Domain-0")
            {
                fail("only the control domain can serve disks");
            }
        }
        else if (key == "script")
        {
            fail("scripts are not run", "prepare the block device beforehand and name it as the target");
        }
        else
        {
            fail("unknown key '" + std::string(key) + "'",
                 did_you_mean(key, {"format", "vdev", "access", "target", "devtype", "backendtype", "backend"}));
        }
    }

    void set_target(std::string_view value) { disk_.target = std::string(trim(value)); }

    void set_format(std::string_view value)
    {
        if (!value.empty() && value != "raw")
        {
            fail("the format '" + std::string(value) + "' is not supported", "convert the image to raw");
        }
    }

    void set_device(std::string_view value)
    {
        std::size_t const colon = value.find(':');
        if (colon != value.npos)
        {
            if (value.substr(colon) == ":cdrom")
            {
                disk_.writable = false;
            }
            else if (value.substr(colon) != ":disk")
            {
                fail("unknown device type '" + std::string(value.substr(colon + 1)) + "'", "use disk or cdrom");
            }
            value = value.substr(0, colon);
        }
        auto const number = virtual_device_number(value);
        if (!number)
        {
            fail("'" + std::string(value) + "' is not a device name", "use xvda, xvdb, ...");
        }
        disk_.device = std::string(value);
        disk_.number = *number;
    }

    void set_access(std::string_view value)
    {
        if (value == "r" || value == "ro")
        {
            disk_.writable = false;
        }
        else if (value == "w" || value == "rw" || value.empty())
        {
            disk_.writable = true;
        }
        else
        {
            fail("unknown access '" + std::string(value) + "'", "use r, ro, w or rw");
        }
    }

    DiskConfig finish()
    {
        if (disk_.target.empty())
        {
            fail("no target", "name a file or block device");
        }
        if (device_ && disk_.target.front() != '/')
        {
            disk_.target = "/dev/" + disk_.target;
        }
        if (disk_.target.front() != '/')
        {
            fail("the target '" + disk_.target + "' is not an absolute path");
        }
        if (disk_.device.empty())
        {
            fail("no device name", "add one, xvda for example");
        }
        return disk_;
    }

    std::string const& specification_;
    std::string const& where_;
    DiskConfig disk_;
    bool old_form_ = false;
    bool device_ = false; ///< the target is a block device, and need not say that it is in /dev
    int position_ = 0;
};

} // namespace

DiskConfig parse_disk(std::string const& specification, std::string const& where)
{
    return DiskReader(specification, where).read();
}

} // namespace vm
