// SPDX-License-Identifier: MIT
// The receiving end of Xen's logging interface.
#include "hypervisor/library_log.hpp"

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace vm
{
namespace
{

constexpr std::size_t kMaxKept = 2048;

} // namespace

LibraryLog::LibraryLog()
{
    adapter_.base.vmessage = &LibraryLog::message;
    adapter_.owner = this;
    verbose_ = std::getenv("TESSERA_DEBUG") != nullptr;
}

void LibraryLog::message(xentoollog_logger* logger, xentoollog_level level, int /*error_number*/,
                         char const* context, char const* format, va_list arguments)
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
        self->errors_ += text;
    }
}

std::string LibraryLog::take_errors()
{
    return std::exchange(errors_, {});
}

} // namespace vm
