// SPDX-License-Identifier: MIT
// Keeps a guest that ends as soon as it starts from being started for ever.
#pragma once

#include "domain/registry.hpp"

#include <cstdint>
#include <optional>

namespace vm
{

/// A guest that ends within so many seconds of its start ends quickly.
constexpr std::int64_t kQuickSeconds = 10;

/// So often in a row it is started again all the same.
constexpr std::uint32_t kMaxQuickRestarts = 5;

/// For a guest that ended at `now`: how many quick ends in a row the record of its next start shall tell of.
/// Nothing if it has ended quickly too often to be started again.
std::optional<std::uint32_t> quick_restarts_after(GuestRecord const& record, std::int64_t now);

} // namespace vm
