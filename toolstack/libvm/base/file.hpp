// SPDX-License-Identifier: MIT
// Small helpers for whole files: bounded reading, atomic replacing, and the text of sysfs attributes.
#pragma once

#include "base/unique_fd.hpp"

#include <cstddef>
#include <optional>
#include <string>

namespace vm
{

/// Opens for reading; throws Error with the path in its cause.
UniqueFd open_file(std::string const& path, int flags);

/// Reads a regular file of at most `limit` bytes; a larger one, or one that is not a file, is an error.
std::string read_file(std::string const& path, std::size_t limit);

/// Content of a small attribute without its trailing newline; nothing if it cannot be read.
std::optional<std::string> read_attribute(std::string const& path);

/// Writes beside `path` and renames over it, so that a reader sees the old or the new content only.
void replace_file(std::string const& path, std::string const& content);

/// Creates a directory and its parents (mode 0755) unless present.
void make_directories(std::string const& path);

} // namespace vm
