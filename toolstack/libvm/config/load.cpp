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

} // namespace

ParsedConfig load_config(std::string const& path)
{
    if (::access(path.c_str(), R_OK) != 0)
    {
        throw named_file_error("cannot read the configuration '" + path + "'", errno);
    }
    std::string const text = read_file(path, kMaxConfigSize);
    ParsedConfig parsed = path.ends_with(".toml") ? parse_toml_config(text, path) : parse_xl_config(text, path);
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
