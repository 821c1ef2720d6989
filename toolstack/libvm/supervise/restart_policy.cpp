// SPDX-License-Identifier: MIT
// Counts quick ends in a row; one that was not quick starts the count anew.
#include "supervise/restart_policy.hpp"

namespace vm
{

std::optional<std::uint32_t> quick_restarts_after(GuestRecord const& record, std::int64_t now)
{
    std::uint32_t const count = now - record.created_at < kQuickSeconds ? record.quick_restarts + 1 : 0;
    return count > kMaxQuickRestarts ? std::nullopt : std::optional(count);
}

} // namespace vm
