// SPDX-License-Identifier: MIT
// Implements conflict detection by path.
#include "transaction/access_log.hpp"

namespace tessera::store {

namespace {

bool same(Node const* then, Node const* now, std::uint8_t saw, PermissionPool const& pool)
{
    if (then == now) {
        return true;
    }
    if (then == nullptr || now == nullptr) {
        return false;
    }
    if ((saw & kSawValue) != 0 && then->value() != now->value()) {
        return false;
    }
    if ((saw & kSawChildren) != 0 && then->children_digest != now->children_digest) {
        return false;
    }
    return (saw & kSawPermissions) == 0 || then->permissions == now->permissions ||
           pool.list(then->permissions) == pool.list(now->permissions);
}

}  // namespace

void AccessLog::note(std::string_view path, std::uint8_t saw)
{
    auto const found = seen_.find(path);
    if (found != seen_.end()) {
        found->second |= saw;
        return;
    }
    seen_.emplace(path, saw);
}

bool AccessLog::still_holds(Tree const& then, Tree const& now) const
{
    auto const& pool = now.nodes().permissions();
    for (auto const& [path, saw] : seen_) {
        if (!same(then.find(path), now.find(path), saw, pool)) {
            return false;
        }
    }
    return true;
}

}  // namespace tessera::store
