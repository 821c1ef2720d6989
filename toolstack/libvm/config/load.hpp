// SPDX-License-Identifier: MIT
// Turns a configuration file, in either notation, into a checked GuestConfig.
#pragma once

#include "config/guest_config.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace vm
{

/// Reads xl.cfg text; `source` names it in errors. The result is not yet completed and checked.
ParsedConfig parse_xl_config(std::string_view text, std::string const& source);

/// Reads the TOML form.
ParsedConfig parse_toml_config(std::string_view text, std::string const& source);

/// Reads a file, TOML if its name ends in ".toml", xl.cfg otherwise, then completes and checks it.
/// `name`, if given, counts instead of the file's own.
/// Throws Error(Usage) for anything wrong with the content and for a file that is not there.
ParsedConfig load_config(std::string const& path, std::optional<std::string> const& name = std::nullopt);

/// Hypervisor-independent round trip, used for the record of a running guest.
std::string config_to_json(GuestConfig const& guest);
GuestConfig config_from_json(std::string const& text);

} // namespace vm
