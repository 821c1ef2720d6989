// SPDX-License-Identifier: MIT
// Implements the log.
#include "daemon/log.hpp"

#include <array>
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tessera::store
{

namespace
{

constexpr std::array<std::string_view, 4> kNames = {"error", "warning", "info", "debug"};

} // namespace

bool parse_log_level(std::string_view name, LogLevel& out)
{
    for (std::size_t i = 0; i < kNames.size(); ++i)
    {
        if (kNames[i] == name)
        {
            out = static_cast<LogLevel>(i);
            return true;
        }
    }
    return false;
}

std::string_view log_level_name(LogLevel level)
{
    return kNames[static_cast<std::size_t>(level)];
}

std::string quote_text(std::string_view text, std::size_t most)
{
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out = "\"";
    for (char const c : text.substr(0, most))
    {
        auto const byte = static_cast<unsigned char>(c);
        if (byte < ' ' || byte >= 0x7f)
        {
            out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
        }
        else
        {
            out.append(c == '"' || c == '\\' ? 1 : 0, '\\');
            out += c;
        }
    }
    out += text.size() > most ? "\"..." : "\"";
    return out;
}

bool Log::open(std::string const& path)
{
    FileDescriptor file(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
    struct stat status{};
    if (!file.valid() || ::fstat(file.get(), &status) != 0)
    {
        return false;
    }
    file_ = std::move(file);
    path_ = path;
    size_ = static_cast<std::size_t>(status.st_size);
    return true;
}

// Keeps one older file, so that the log never takes more than twice the rotation size.
void Log::rotate()
{
    std::string const older = path_ + ".1";
    if (::rename(path_.c_str(), older.c_str()) == 0)
    {
        reopen();
    }
    size_ = 0;
}

void Log::write(LogLevel level, std::string_view event, std::string_view fields)
{
    if (!enabled(level))
    {
        return;
    }
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    char stamp[40];
    std::size_t const length = std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(stamp + length, sizeof stamp - length, ".%03ldZ", now.tv_nsec / 1000000);
    std::string line = "time=";
    line += stamp;
    line += " level=";
    line += log_level_name(level);
    line += " event=";
    line += event;
    if (!fields.empty())
    {
        line += ' ';
        line += fields;
    }
    line += '\n';
    if (file_.valid() && size_ + line.size() > kRotateSize)
    {
        rotate();
    }
    // A log that cannot be written (full disk) must not stop the store.
    ssize_t const written = ::write(file_.valid() ? file_.get() : STDERR_FILENO, line.data(), line.size());
    size_ += written > 0 ? static_cast<std::size_t>(written) : 0;
}

} // namespace tessera::store
