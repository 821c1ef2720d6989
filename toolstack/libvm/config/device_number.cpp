// SPDX-License-Identifier: MIT
// Virtual block device numbers: how a disk's name in the guest maps to the number that front ends know it by.
#include "config/device_spec.hpp"

#include <charconv>

namespace vm
{
namespace
{

struct NameParts
{
    std::uint32_t disk = 0;
    std::uint32_t partition = 0;
};

std::optional<std::uint32_t> whole_number(std::string_view text)
{
    std::uint32_t number = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
    {
        return std::nullopt;
    }
    return number;
}

/// "a" -> disk 0, "ab3" -> disk 27, partition 3.
std::optional<NameParts> letters_and_partition(std::string_view text)
{
    NameParts parts;
    std::size_t letters = 0;
    while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z')
    {
        parts.disk = parts.disk * 26 + static_cast<std::uint32_t>(text[letters] - 'a') + 1;
        if (++letters > 4)
        {
            return std::nullopt;
        }
    }
    if (letters == 0)
    {
        return std::nullopt;
    }
    --parts.disk;
    if (letters < text.size())
    {
        auto const partition = whole_number(text.substr(letters));
        if (!partition || *partition == 0 || text[letters] == '0')
        {
            return std::nullopt;
        }
        parts.partition = *partition;
    }
    return parts;
}

/// "d3p1" and "d3".
std::optional<NameParts> numbered(std::string_view text)
{
    std::size_t const separator = text.find('p');
    auto const disk = whole_number(text.substr(0, separator));
    auto const partition = separator == text.npos ? 0 : whole_number(text.substr(separator + 1));
    if (!disk || !partition)
    {
        return std::nullopt;
    }
    return NameParts{*disk, *partition};
}

/// Major 202 with 16 partitions serves the first 16 disks; the extended form (bit 28) has room for 256 each.
std::optional<std::uint32_t> paravirtual_number(NameParts const& parts)
{
    if (parts.disk < 16 && parts.partition < 16)
    {
        return 202u << 8 | parts.disk << 4 | parts.partition;
    }
    if (parts.disk < (1u << 20) && parts.partition < 256)
    {
        return 1u << 28 | parts.disk << 8 | parts.partition;
    }
    return std::nullopt;
}

} // namespace

std::optional<std::uint32_t> virtual_device_number(std::string_view device)
{
    if (auto const number = whole_number(device))
    {
        return number;
    }
    std::optional<NameParts> parts;
    if (device.starts_with("xvd"))
    {
        parts = letters_and_partition(device.substr(3));
        return parts ? paravirtual_number(*parts) : std::nullopt;
    }
    if (device.starts_with("d"))
    {
        parts = numbered(device.substr(1));
        return parts ? paravirtual_number(*parts) : std::nullopt;
    }
    if (device.starts_with("sd"))
    {
        parts = letters_and_partition(device.substr(2));
        return parts && parts->disk < 16 && parts->partition < 16
                   ? std::optional(8u << 8 | parts->disk << 4 | parts->partition)
                   : std::nullopt;
    }
    if (device.starts_with("hd"))
    {
        parts = letters_and_partition(device.substr(2));
        if (!parts || parts->disk >= 4 || parts->partition >= 64)
        {
            return std::nullopt;
        }
        return (parts->disk < 2 ? 3u : 22u) << 8 | (parts->disk & 1) << 6 | parts->partition;
    }
    return std::nullopt;
}

} // namespace vm
