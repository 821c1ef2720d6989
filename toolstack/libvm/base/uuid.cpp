// SPDX-License-Identifier: MIT
// Draws identities from the kernel's random source and converts them from and to text.
#include "base/uuid.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <sys/random.h>

namespace vm
{
namespace
{

void fill_random(void* data, std::size_t size)
{
    if (::getrandom(data, size, 0) != static_cast<ssize_t>(size))
    {
        throw system_error("drawing random bytes", errno);
    }
}

int hex_value(char character)
{
    if (character >= '0' && character <= '9')
    {
        return character - '0';
    }
    if (character >= 'a' && character <= 'f')
    {
        return character - 'a' + 10;
    }
    if (character >= 'A' && character <= 'F')
    {
        return character - 'A' + 10;
    }
    return -1;
}

} // namespace

Uuid random_uuid()
{
    Uuid uuid{};
    fill_random(uuid.data(), uuid.size());
    uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | 0x40); // version 4: random
    uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80); // the RFC 4122 variant
    return uuid;
}

std::string to_string(Uuid const& uuid)
{
    std::string text;
    for (std::size_t index = 0; index < uuid.size(); ++index)
    {
        if (index == 4 || index == 6 || index == 8 || index == 10)
        {
            text += '-';
        }
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", uuid[index]);
        text += digits;
    }
    return text;
}

std::optional<Uuid> parse_uuid(std::string_view text)
{
    bool const dashed = text.size() == 36;
    if (!dashed && text.size() != 32)
    {
        return std::nullopt;
    }
    Uuid uuid{};
    std::size_t digit = 0;
    for (std::size_t index = 0; index < text.size(); ++index)
    {
        if (dashed && (index == 8 || index == 13 || index == 18 || index == 23))
        {
            if (text[index] != '-')
            {
                return std::nullopt;
            }
            continue;
        }
        int const value = hex_value(text[index]);
        if (value < 0)
        {
            return std::nullopt;
        }
        uuid[digit / 2] = static_cast<std::uint8_t>(uuid[digit / 2] << 4 | value);
        ++digit;
    }
    return uuid;
}

std::string random_mac()
{
    std::uint8_t tail[3];
    fill_random(tail, sizeof tail);
    char text[18];
    std::snprintf(text, sizeof text, "00:16:3e:%02x:%02x:%02x", tail[0] & 0x7f, tail[1], tail[2]);
    return text;
}

} // namespace vm
