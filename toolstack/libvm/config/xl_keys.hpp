// SPDX-License-Identifier: MIT
// Keys of xl.cfg that are known, but mean nothing for a PV guest here or cannot be honoured.
#pragma once

#include <string_view>

namespace vm
{

enum class XlKeyKind
{
    Unknown, ///< neither of these; a key that is honoured, or none of xl.cfg
    Ignored, ///< changes nothing for a PV guest here: accepted with a warning
    Refused, ///< a guest may depend on it: ignoring it would change what the guest is
};

XlKeyKind xl_key_kind(std::string_view key);

} // namespace vm
