// SPDX-License-Identifier: MIT
// Gives the numbers of the public xs_wire.h C++ names and types, so that no other file needs the C header.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <xen/io/xs_wire.h>

namespace tessera::store
{

// Watch with a depth and the other requests keep the published numbering; kOperationCount bounds dispatch tables.
enum class Operation : std::uint32_t
{
    Control = XS_CONTROL,
    Directory = XS_DIRECTORY,
    Read = XS_READ,
    GetPermissions = XS_GET_PERMS,
    Watch = XS_WATCH,
    Unwatch = XS_UNWATCH,
    TransactionStart = XS_TRANSACTION_START,
    TransactionEnd = XS_TRANSACTION_END,
    Introduce = XS_INTRODUCE,
    Release = XS_RELEASE,
    GetDomainPath = XS_GET_DOMAIN_PATH,
    Write = XS_WRITE,
    MakeDirectory = XS_MKDIR,
    Remove = XS_RM,
    SetPermissions = XS_SET_PERMS,
    WatchEvent = XS_WATCH_EVENT,
    Error = XS_ERROR,
    IsDomainIntroduced = XS_IS_DOMAIN_INTRODUCED,
    Resume = XS_RESUME,
    SetTarget = XS_SET_TARGET,
    ResetWatches = XS_RESET_WATCHES,
    DirectoryPart = XS_DIRECTORY_PART,
};

inline constexpr std::size_t kOperationCount = XS_TYPE_COUNT;
inline constexpr std::size_t kHeaderSize = sizeof(xsd_sockmsg);
inline constexpr std::size_t kPayloadMax = XENSTORE_PAYLOAD_MAX;
inline constexpr std::size_t kAbsolutePathMax = XENSTORE_ABS_PATH_MAX;
inline constexpr std::size_t kRelativePathMax = XENSTORE_REL_PATH_MAX;

static_assert(kHeaderSize == 16);
static_assert(XS_DIRECTORY_PART == 22 && kOperationCount == 23);

// The wire name of an errno value ("ENOENT"). Values that the protocol has no name for are reported as EINVAL.
std::string_view error_name(int error);

// The lower-case name of an operation for logs and counters; "invalid" for numbers outside the protocol.
std::string_view operation_name(std::uint32_t operation);

} // namespace tessera::store
