// SPDX-License-Identifier: MIT
// Turns protocol numbers into the names that travel on the wire and appear in logs.
#include "wire/protocol.hpp"

#include <array>

namespace tessera::store
{

namespace
{

constexpr std::array<std::string_view, kOperationCount> kOperationNames = {
    "control",
    "directory",
    "read",
    "get_perms",
    "watch",
    "unwatch",
    "transaction_start",
    "transaction_end",
    "introduce",
    "release",
    "get_domain_path",
    "write",
    "mkdir",
    "rm",
    "set_perms",
    "watch_event",
    "error",
    "is_domain_introduced",
    "resume",
    "set_target",
    "restrict",
    "reset_watches",
    "directory_part",
};

} // namespace

std::string_view error_name(int error)
{
    for (auto const& known : xsd_errors)
    {
        if (known.errnum == error)
        {
            return known.errstring;
        }
    }
    return "EINVAL";
}

std::string_view operation_name(std::uint32_t operation)
{
    return operation < kOperationNames.size() ? kOperationNames[operation] : "invalid";
}

} // namespace tessera::store
