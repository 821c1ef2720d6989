// SPDX-License-Identifier: MIT
// Applies checked changes to a tree and keeps the books of who owns how much.
#pragma once

#include "service/account.hpp"
#include "transaction/change.hpp"
#include "tree/tree.hpp"

namespace tessera::store
{

// Applies `change` without asking for rights or quotas: the caller has checked, or replays what was checked before.
// A change that no longer makes sense (removing a node that is gone) does nothing. Adds to `delta`.
// `walk` is where the change's path leads in `tree` now.
void apply_change(Tree& tree, ChangeView const& change, Walk const& walk, AccountDelta& delta);

// What apply_change would add for the nodes that it creates below `walk`: their number and bytes.
struct CreationCost
{
    std::size_t nodes = 0;
    std::size_t bytes = 0;
};
CreationCost creation_cost(Walk const& walk, std::string_view path, std::size_t value_size);

} // namespace tessera::store
