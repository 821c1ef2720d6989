// SPDX-License-Identifier: MIT
// Implements conflict detection by path.
#include "transaction/access_log.hpp"

#include <utility>

namespace tessera::store
{

namespace
{

bool same(Node const* then, Node const* now, std::uint8_t saw, PermissionPool const& pool)
{
    if (then == now)
    {
        return true;
    }
    if (then == nullptr || now == nullptr)
    {
        return false;
    }
    if ((saw & kSawValue) != 0 && then->value() != now->value())
    {
        return false;
    }
    if ((saw & kSawChildren) != 0 && then->children_digest != now->children_digest)
    {
        return false;
    }
    return (saw & kSawPermissions) == 0 || then->permissions == now->permissions ||
           pool.list(then->permissions) == pool.list(now->permissions);
}

} // namespace

std::uint64_t AccessLog::hash(std::string_view path) const
{
    std::uint64_t hash = path.size() ^ key_.first;
    for (; path.size() > 8; path.remove_prefix(8))
    {
        hash = fold_multiply(hash ^ name_key(path.substr(0, 8)), key_.second);
    }
    return fold_multiply(hash ^ name_key(path), key_.second);
}

// Where `path` is, or the free slot where it belongs.
std::size_t AccessLog::slot_of(std::string_view path, std::uint64_t hash) const
{
    std::size_t const mask = slots_.size() - 1;
    for (std::size_t slot = hash & mask;; slot = (slot + 1) & mask)
    {
        if (slots_[slot] == 0)
        {
            return slot;
        }
        Entry const& entry = entries_[slots_[slot] - 1];
        if (entry.hash == hash && path_of(entry) == path)
        {
            return slot;
        }
    }
}

void AccessLog::grow()
{
    if (slots_.empty())
    {
        entries_.reserve(16);
        paths_.reserve(16 * 48);
    }
    slots_.assign(slots_.empty() ? 32 : slots_.size() * 2, 0);
    for (std::size_t i = 0; i < entries_.size(); ++i)
    {
        slots_[slot_of(path_of(entries_[i]), entries_[i].hash)] = static_cast<std::uint32_t>(i + 1);
    }
}

std::uint8_t AccessLog::note(std::string_view path, std::uint8_t saw)
{
    if (last_ != 0 && path_of(entries_[last_ - 1]) == path)
    {
        return std::exchange(entries_[last_ - 1].saw, static_cast<std::uint8_t>(entries_[last_ - 1].saw | saw));
    }
    if ((entries_.size() + 1) * 2 > slots_.size())
    {
        grow();
    }
    std::uint64_t const hashed = hash(path);
    std::uint32_t& slot = slots_[slot_of(path, hashed)];
    if (slot == 0)
    {
        entries_.push_back(
            {hashed, static_cast<std::uint32_t>(paths_.size()), static_cast<std::uint16_t>(path.size()), 0});
        paths_ += path;
        slot = static_cast<std::uint32_t>(entries_.size());
    }
    last_ = slot;
    Entry& entry = entries_[slot - 1];
    std::uint8_t const before = entry.saw;
    entry.saw |= saw;
    return before;
}

bool AccessLog::still_holds(Tree const& then, Tree const& now) const
{
    auto const& pool = now.nodes().permissions();
    for (Entry const& entry : entries_)
    {
        std::string_view const path = path_of(entry);
        if ((entry.saw & ~kChanged) != 0 && !same(then.find(path), now.find(path), entry.saw, pool))
        {
            return false;
        }
    }
    return true;
}

} // namespace tessera::store
