// SPDX-License-Identifier: MIT
// Log lines: formatted into a bounded buffer, then handed to the console of the port.
#pragma once

#include <lib/format.hpp>

namespace hv
{

enum class LogLevel : std::uint8_t
{
    Error,
    Warning,
    Info,
    Debug,
};

// Appends one line to the console ring and, when the level passes the threshold, to the serial line. Any context.
void log_write(LogLevel level, char const* text, std::size_t length);

template<typename... Args>
void log(LogLevel level, char const* pattern, Args const&... args)
{
    char line[256];
    log_write(level, line, format(line, pattern, args...));
}

template<typename... Args>
void log_info(char const* pattern, Args const&... args)
{
    log(LogLevel::Info, pattern, args...);
}

template<typename... Args>
void log_warning(char const* pattern, Args const&... args)
{
    log(LogLevel::Warning, pattern, args...);
}

template<typename... Args>
void log_error(char const* pattern, Args const&... args)
{
    log(LogLevel::Error, pattern, args...);
}

template<typename... Args>
void log_debug(char const* pattern, Args const&... args)
{
    log(LogLevel::Debug, pattern, args...);
}

} // namespace hv
