// SPDX-License-Identifier: MIT
// Writes the daemon's log: one line per event, as key=value fields, to standard error or to a file that may be
// rotated by renaming it.
#pragma once

#include "transport/event_loop.hpp"

#include <string>
#include <string_view>

namespace tessera::store
{

enum class LogLevel
{
    Error,
    Warning,
    Info,
    Debug
};

// False if `name` is not one of error, warning, info and debug.
bool parse_log_level(std::string_view name, LogLevel& out);
std::string_view log_level_name(LogLevel level);

// `text` in quotes, with everything in it escaped that could end the field or the line. `most` bytes of it at most.
std::string quote_text(std::string_view text, std::size_t most = static_cast<std::size_t>(-1));

class Log
{
public:
    // Logs to standard error.
    Log() = default;

    // Appends to `path` from now on. False, with errno set and the old destination kept, if it cannot be opened.
    bool open(std::string const& path);

    // Opens the same path anew, after someone renamed the file.
    bool reopen() { return path_.empty() || open(path_); }

    // Where it goes; empty: standard error.
    [[nodiscard]] std::string const& path() const { return path_; }

    void set_level(LogLevel level) { level_ = level; }
    [[nodiscard]] LogLevel level() const { return level_; }
    [[nodiscard]] bool enabled(LogLevel level) const { return level <= level_; }

    // Writes `event` with `fields` ("domain=3 port=7"), a time stamp and the level.
    void write(LogLevel level, std::string_view event, std::string_view fields = {});

private:
    static constexpr std::size_t kRotateSize = std::size_t{16} * 1024 * 1024;

    void rotate();

    FileDescriptor file_;
    std::string path_;
    LogLevel level_ = LogLevel::Info;
    std::size_t size_ = 0;
};

} // namespace tessera::store
