// SPDX-License-Identifier: MIT
// Maps errno values to exit codes, so that every layer below may report plain system errors.
#include "base/error.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

namespace vm
{

Error::Error(ExitCode code, std::string const& cause, std::string hint)
    : std::runtime_error(cause), code_(code), hint_(std::move(hint))
{
}

std::string_view exit_code_name(ExitCode code)
{
    switch (code)
    {
    case ExitCode::Ok: return "ok";
    case ExitCode::Failed: return "failed";
    case ExitCode::Usage: return "usage";
    case ExitCode::NotFound: return "not-found";
    case ExitCode::WrongState: return "wrong-state";
    case ExitCode::Denied: return "denied";
    case ExitCode::NoResources: return "no-resources";
    case ExitCode::Timeout: return "timeout";
    case ExitCode::Unreachable: return "unreachable";
    case ExitCode::Partial: return "partial";
    case ExitCode::WouldChange: return "would-change";
    }
    return "failed";
}

ExitCode exit_code_of_errno(int error_number)
{
    switch (error_number)
    {
    case EACCES:
    case EPERM: return ExitCode::Denied;
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO: return ExitCode::NotFound;
    case EBUSY:
    case EEXIST: return ExitCode::WrongState;
    case ENOMEM:
    case ENOSPC:
    case EMFILE:
    case ENFILE:
    case EDQUOT: return ExitCode::NoResources;
    case ETIMEDOUT: return ExitCode::Timeout;
    case ECONNREFUSED:
    case ENOTCONN:
    case EPIPE: return ExitCode::Unreachable;
    default: return ExitCode::Failed;
    }
}

Error system_error(std::string const& what, int error_number, std::string hint)
{
    return {exit_code_of_errno(error_number), what + ": " + std::strerror(error_number), std::move(hint)};
}

Error named_file_error(std::string const& what, int error_number, std::string hint)
{
    Error const error = system_error(what, error_number, std::move(hint));
    return error.code() == ExitCode::NotFound || error_number == ENOTDIR
               ? Error(ExitCode::Usage, error.what(), error.hint())
               : error;
}

} // namespace vm
