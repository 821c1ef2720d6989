// SPDX-License-Identifier: MIT
// Lines of the form "NAME TIME domain N: HOW".
#include "supervise/ended_log.hpp"

#include "base/error.hpp"
#include "base/file.hpp"

#include <ctime>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace vm
{
namespace
{

constexpr std::size_t kMaxSize = 128 * 1024;

} // namespace

void EndedLog::add(std::string const& name, DomainId domain, std::string const& how) const
{
    char when[32];
    std::time_t const now = std::time(nullptr);
    std::tm parts = {};
    ::gmtime_r(&now, &parts);
    std::strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &parts);
    std::string const line = name + " " + when + " domain " + std::to_string(domain) + ": " + how + "\n";
    struct stat status = {};
    if (::stat(path_.c_str(), &status) == 0 && static_cast<std::size_t>(status.st_size) + line.size() > kMaxSize)
    {
        std::string const all = read_file(path_, 2 * kMaxSize);
        std::size_t const cut = all.find('\n', all.size() / 2);
        replace_file(path_, cut == all.npos ? "" : all.substr(cut + 1));
    }
    UniqueFd const fd = open_file(path_, O_WRONLY | O_CREAT | O_APPEND);
    if (::write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    {
        throw system_error("cannot write '" + path_ + "'", errno);
    }
}

std::optional<std::string> EndedLog::find(std::string const& name) const
{
    if (::access(path_.c_str(), R_OK) != 0)
    {
        return std::nullopt;
    }
    std::string const all = "\n" + read_file(path_, 2 * kMaxSize);
    std::size_t const start = all.rfind("\n" + name + " ");
    if (start == all.npos)
    {
        return std::nullopt;
    }
    std::size_t const text = start + 1 + name.size() + 1;
    return all.substr(text, all.find('\n', text) - text);
}

} // namespace vm
