// SPDX-License-Identifier: MIT
// A guest's identity that survives its reboots: 16 bytes, written in the usual 8-4-4-4-12 form.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vm
{

using Uuid = std::array<std::uint8_t, 16>;

Uuid random_uuid();
std::string to_string(Uuid const& uuid);

/// Accepts 32 hexadecimal digits with dashes at the usual places or nowhere.
std::optional<Uuid> parse_uuid(std::string_view text);

/// A locally assigned address under Xen's prefix 00:16:3e, drawn at random.
std::string random_mac();

} // namespace vm
