// SPDX-License-Identifier: MIT
// The one exception type of the toolstack: every failure carries an exit code, a cause and, where one helps, a hint.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace vm
{

/// Exit codes of every verb; scripts rely on them, so a value never changes its meaning.
enum class ExitCode : int
{
    Ok = 0,
    Failed = 1,
    Usage = 2,
    NotFound = 3,
    WrongState = 4,
    Denied = 5,
    NoResources = 6,
    Timeout = 7,
    Unreachable = 8,
    Partial = 9,
    WouldChange = 10,
};

/// Short stable name of a code, for machine-readable error output ("not-found").
std::string_view exit_code_name(ExitCode code);

class Error : public std::runtime_error
{
public:
    Error(ExitCode code, std::string const& cause, std::string hint = {});

    ExitCode code() const { return code_; }
    std::string const& hint() const { return hint_; }

private:
    ExitCode code_;
    std::string hint_;
};

/// The code that fits an errno value; Failed where none fits better.
ExitCode exit_code_of_errno(int error_number);

/// An Error from an errno value: "WHAT: strerror".
Error system_error(std::string const& what, int error_number, std::string hint = {});

/// The same for something that a configuration names: what is not there then is an error of the configuration.
Error named_file_error(std::string const& what, int error_number, std::string hint = {});

} // namespace vm
