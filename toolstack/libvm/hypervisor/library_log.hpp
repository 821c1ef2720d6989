// SPDX-License-Identifier: MIT
// Keeps the error messages of Xen's libraries, which would otherwise go to stderr without context.
#pragma once

#include "hypervisor/xen_libraries.hpp"

#include <string>

namespace vm
{

/// Collects errors for `take_errors()`; with TESSERA_DEBUG set in the environment, prints everything to stderr too.
class LibraryLog
{
public:
    LibraryLog();

    xentoollog_logger* logger() { return &adapter_.base; }

    /// The messages since the last call, joined by "; ".
    std::string take_errors();

private:
    /// What the C side sees: its own structure first, then the way back to us.
    struct Adapter
    {
        xentoollog_logger base;
        LibraryLog* owner;
    };

    static void message(xentoollog_logger* logger, xentoollog_level level, int error_number, char const* context,
                        char const* format, va_list arguments) __attribute__((format(printf, 5, 0)));

    Adapter adapter_{};
    std::string errors_;
    bool verbose_ = false;
};

} // namespace vm
