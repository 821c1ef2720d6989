// SPDX-License-Identifier: MIT
// Chooses the notation by the file's name and runs the checks every notation shares.
#include "config/load.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <cerrno>
#include <unistd.h>

namespace vm
{
namespace
{

constexpr std::size_t kMaxConfigSize = 1 << 20;

/// How many bytes the UTF-8 character at the front of `text` has; 0 if there is none.
std::size_t utf8_length(std::string_view text)
{
    auto const byte = [&](std::size_t index) { return static_cast<unsigned char>(text[index]); };
    unsigned char const first = byte(0);
    if (first < 0x80)
    {
        return 1;
    }
    std::size_t const length = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;
    if (first < 0xc2 || first > 0xf4 || text.size() < length)
    {
        return 0;
    }
    for (std::size_t index = 1; index < length; ++index)
    {
        if ((byte(index) & 0xc0) != 0x80)
        {
            return 0;
        }
    }
    bool const overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
    bool const none = (first == 0xed && byte(1) >= 0xa0) || (first == 0xf4 && byte(1) >= 0x90);
    return overlong || none ? 0 : length;
}

/// Records and output are JSON, which holds nothing else.
void require_utf8(std::string_view text, std::string const& path)
{
    std::size_t line = 1;
    while (!text.empty())
    {
        std::size_t const length = utf8_length(text);
        if (length == 0)
        {
            throw Error(ExitCode::Usage, path + ":" + std::to_string(line) + ": there is a byte that is not UTF-8",
                        "save the file as UTF-8");
        }
        line += text.front() == '\n' ? 1 : 0;
        text.remove_prefix(length);
    }
}

} // namespace

ParsedConfig load_config(std::string const& path, std::optional<std::string> const& name)
{
    if (::access(path.c_str(), R_OK) != 0)
    {
        throw named_file_error("cannot read the configuration '" + path + "'", errno,
                               "give the path of an xl.cfg or TOML file");
    }
    std::string const text = read_file(path, kMaxConfigSize);
    require_utf8(text, path);
    ParsedConfig parsed = path.ends_with(".toml") ? parse_toml_config(text, path) : parse_xl_config(text, path);
    if (name)
    {
        parsed.guest.name = *name;
    }
    try
    {
        complete_and_check(parsed.guest);
    }
    catch (Error const& error)
    {
        throw Error(error.code(), path + ": " + error.what(), error.hint());
    }
    return parsed;
}

} // namespace vm
