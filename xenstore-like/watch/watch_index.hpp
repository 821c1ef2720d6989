// SPDX-License-Identifier: MIT
// Finds the watches that a change concerns by hashing the changed path's prefixes: the cost depends on the depth of
// the path and on the watches found, never on how many are registered.
#pragma once

#include "tree/tree.hpp"
#include "watch/watch.hpp"

#include <string>
#include <vector>

namespace tessera::store
{

class WatchIndex
{
public:
    explicit WatchIndex(HashKey const& key) : key_(key) {}
    WatchIndex(WatchIndex const&) = delete;
    WatchIndex& operator=(WatchIndex const&) = delete;

    // Sets the watch's hash and links it. The caller keeps the watch alive until remove().
    void add(Watch& watch);
    void remove(Watch& watch);

    // The watch of `client` at `path` with `token`, or null.
    [[nodiscard]] Watch* find(Client const* client, std::string_view path, std::string_view token) const;

    // Calls visit(Watch&, below) for each watch at `path` and above it; `below` is the rest of the path under the watch.
    // Neighbours of the path that was asked for last are found without going down from the root again.
    template<typename Visit>
    void for_each_covering(std::string_view path, Visit&& visit);

    // Calls visit(Watch&) for each watch exactly at `path`.
    template<typename Visit>
    void for_each_at(std::string_view path, Visit&& visit) const
    {
        if (size_ != 0)
        {
            visit_chain(hash_path(path), path, visit);
        }
    }

    [[nodiscard]] std::size_t size() const { return size_; }

private:
    struct Slot
    {
        std::uint64_t hash = 0;
        Watch* head = nullptr; // null: the slot is free
    };

    [[nodiscard]] std::uint64_t hash_path(std::string_view path) const;

    template<typename Visit>
    void visit_chain(std::uint64_t hash, std::string_view path, Visit& visit) const
    {
        for (Watch* watch = slots_[slot_of(hash)].head; watch != nullptr;)
        {
            Watch* const next = watch->next_at_path;
            if (watch->path() == path)
            {
                visit(*watch);
            }
            watch = next;
        }
    }

    // The slot that holds `hash`, or the free one where it belongs.
    [[nodiscard]] std::size_t slot_of(std::uint64_t hash) const
    {
        std::size_t const mask = slots_.size() - 1;
        std::size_t slot = hash & mask;
        while (slots_[slot].head != nullptr && slots_[slot].hash != hash)
        {
            slot = (slot + 1) & mask;
        }
        return slot;
    }
    // The first watch with a hash, or null.
    [[nodiscard]] Watch* head_of(std::uint64_t hash) const { return slots_[slot_of(hash)].head; }
    void remember_parent(std::string_view parent);
    void grow();
    void free_slot(std::size_t slot);

    HashKey key_;
    std::vector<Slot> slots_ = std::vector<Slot>(16); // a power of two of them, at most half used; linear probing
    std::size_t used_ = 0;                            // slots, that is different paths
    std::size_t size_ = 0;                            // watches

    // The directory that was asked for last, and the watches at it and above it; gone with any change of the watches.
    struct Remembered
    {
        struct Above
        {
            Watch* head;
            std::size_t path_length;
        };
        std::string parent; // "" for the root
        std::uint64_t hash = 0;
        std::vector<Above> above;
        bool valid = false;
    };
    Remembered remembered_;
};

template<typename Visit>
void WatchIndex::for_each_covering(std::string_view path, Visit&& visit)
{
    if (size_ == 0)
    {
        return;
    }
    auto const visit_all = [&](Watch* head, std::size_t length) {
        for (Watch* watch = head; watch != nullptr;)
        {
            Watch* const next = watch->next_at_path;
            if (watch->path() == path.substr(0, length))
            {
                visit(*watch, path.substr(length == 1 && path.size() > 1 ? 0 : length));
            }
            watch = next;
        }
    };
    std::size_t const slash = path.rfind('/');
    std::string_view const parent = path.substr(0, slash);
    if (!remembered_.valid || remembered_.parent != parent)
    {
        remember_parent(parent);
    }
    for (auto const& above : remembered_.above)
    {
        visit_all(above.head, above.path_length);
    }
    if (path.size() > 1)
    {
        Name const name(path.substr(slash + 1));
        visit_all(head_of(name.hash_below(key_, remembered_.hash)), path.size());
    }
}

} // namespace tessera::store
