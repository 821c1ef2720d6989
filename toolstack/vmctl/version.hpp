// SPDX-License-Identifier: MIT
// The version that vmctl reports.
#pragma once

namespace vmctl
{

inline constexpr char kVersion[] = "0.1.0";

} // namespace vmctl
