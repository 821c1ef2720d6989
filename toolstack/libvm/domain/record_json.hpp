// SPDX-License-Identifier: MIT
// The file form of a guest's record.
#pragma once

#include "domain/registry.hpp"

#include <string>

namespace vm
{

std::string record_to_json(GuestRecord const& record);

/// Throws Error(Failed) if the text is not a record.
GuestRecord record_from_json(std::string const& text);

} // namespace vm
