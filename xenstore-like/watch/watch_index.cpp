// SPDX-License-Identifier: MIT
// Implements linking and unlinking of watches by path.
#include "watch/watch_index.hpp"

#include "tree/tree.hpp"

namespace tessera::store {

std::uint64_t WatchIndex::hash_path(std::string_view path) const
{
    if (path.empty() || path.front() != '/') {
        return hash_child(key_, key_.second, Name(path).hash(key_));
    }
    std::uint64_t hash = key_.first;
    PathComponents components(path);
    Name name;
    while (components.next(name)) {
        hash = hash_child(key_, hash, name.hash(key_));
    }
    return hash;
}

void WatchIndex::add(Watch& watch)
{
    watch.path_hash = hash_path(watch.path);
    Watch*& head = heads_[watch.path_hash];
    watch.previous_at_path = nullptr;
    watch.next_at_path = head;
    if (head != nullptr) {
        head->previous_at_path = &watch;
    }
    head = &watch;
    ++size_;
}

void WatchIndex::remove(Watch& watch)
{
    if (watch.next_at_path != nullptr) {
        watch.next_at_path->previous_at_path = watch.previous_at_path;
    }
    if (watch.previous_at_path != nullptr) {
        watch.previous_at_path->next_at_path = watch.next_at_path;
    } else if (watch.next_at_path != nullptr) {
        heads_[watch.path_hash] = watch.next_at_path;
    } else {
        heads_.erase(watch.path_hash);
    }
    --size_;
}

Watch* WatchIndex::find(Client const* client, std::string_view path, std::string_view token) const
{
    Watch* result = nullptr;
    for_each_at(path, [&](Watch& watch) {
        if (watch.client == client && watch.token() == token) {
            result = &watch;
        }
    });
    return result;
}

}  // namespace tessera::store
