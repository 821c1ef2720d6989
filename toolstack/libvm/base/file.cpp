// SPDX-License-Identifier: MIT
// Whole-file reading and atomic replacing with errors that name the file.
#include "base/file.hpp"

#include "base/error.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <system_error>

namespace vm
{

UniqueFd open_file(std::string const& path, int flags)
{
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, 0644));
    if (!fd)
    {
        throw system_error("cannot open '" + path + "'", errno);
    }
    return fd;
}

std::string read_file(std::string const& path, std::size_t limit)
{
    UniqueFd const fd = open_file(path, O_RDONLY);
    struct stat status = {};
    if (::fstat(fd.get(), &status) != 0 || S_ISDIR(status.st_mode))
    {
        throw Error(ExitCode::Usage, "cannot read '" + path + "': not a file", "name a file");
    }
    std::string content;
    char buffer[16384];
    for (;;)
    {
        ssize_t const count = ::read(fd.get(), buffer, sizeof buffer);
        if (count < 0)
        {
            if (errno == EINTR)
            {
                continue;
            }
            throw system_error("cannot read '" + path + "'", errno);
        }
        if (count == 0)
        {
            return content;
        }
        content.append(buffer, static_cast<std::size_t>(count));
        if (content.size() > limit)
        {
            throw Error(ExitCode::Usage, "'" + path + "' is larger than " + std::to_string(limit) + " bytes");
        }
    }
}

std::optional<std::string> read_attribute(std::string const& path)
{
    UniqueFd const fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char buffer[4096];
    ssize_t const count = fd ? ::read(fd.get(), buffer, sizeof buffer) : -1;
    if (count < 0)
    {
        return std::nullopt;
    }
    std::string text(buffer, static_cast<std::size_t>(count));
    while (!text.empty() && text.back() == '\n')
    {
        text.pop_back();
    }
    return text;
}

void replace_file(std::string const& path, std::string const& content)
{
    std::size_t const slash = path.rfind('/') + 1; // 0 where there is none
    std::string const fresh = path.substr(0, slash) + "." + path.substr(slash) + ".new";
    {
        UniqueFd const fd = open_file(fresh, O_WRONLY | O_CREAT | O_TRUNC);
        if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()))
        {
            int const error_number = errno;
            ::unlink(fresh.c_str());
            throw system_error("cannot write '" + fresh + "'", error_number);
        }
    }
    if (std::rename(fresh.c_str(), path.c_str()) != 0)
    {
        int const error_number = errno;
        ::unlink(fresh.c_str());
        throw system_error("cannot replace '" + path + "'", error_number);
    }
}

void make_directories(std::string const& path)
{
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error)
    {
        throw system_error("cannot create '" + path + "'", error.value());
    }
}

} // namespace vm
