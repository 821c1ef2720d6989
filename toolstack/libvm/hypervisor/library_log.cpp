// SPDX-License-Identifier: MIT
// The receiving end of Xen's logging interface.
#include "hypervisor/library_log.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace vm
{
namespace
{

constexpr std::size_t kMaxKept = 2048;

bool is_source_word(std::string_view word)
{
    return !word.empty() && word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.") == word.npos;
}

/// The libraries start messages with "panic: FILE:LINE: FUNCTION: "; users are served better without.
std::string without_source(std::string_view text)
{
    for (std::size_t colon = text.find(':'); colon != text.npos && is_source_word(text.substr(0, colon));
         colon = text.find(':'))
    {
        text.remove_prefix(colon + 1);
        text.remove_prefix(std::min(text.find_first_not_of(" \n"), text.size()));
    }
    std::string clean;
    for (char const character : text)
    {
        if (character != '\n')
        {
            clean += character;
        }
    }
    return clean;
}

} // namespace

LibraryLog::LibraryLog()
{
    adapter_.base.vmessage = &LibraryLog::message;
    adapter_.owner = this;
    verbose_ = std::getenv("TESSERA_DEBUG") != nullptr;
}

void LibraryLog::message(xentoollog_logger* logger, xentoollog_level level, int /*error_number*/, char const* context,
                         char const* format, va_list arguments)
{
    auto* const self = reinterpret_cast<Adapter*>(logger)->owner;
    if (level < XTL_ERROR && !self->verbose_)
    {
        return;
    }
    char text[1024];
    std::vsnprintf(text, sizeof text, format, arguments);
    if (self->verbose_)
    {
        std::fprintf(stderr, "%s: %s\n", context ? context : "library", text);
    }
    if (level >= XTL_ERROR && self->errors_.size() < kMaxKept)
    {
        self->errors_ += (self->errors_.empty() ? "" : "; ");
        self->errors_ += without_source(text);
    }
}

std::string LibraryLog::take_errors()
{
    return std::exchange(errors_, {});
}

} // namespace vm
