// SPDX-License-Identifier: MIT
// Finds the watches that a change concerns by hashing the changed path's prefixes: the cost depends on the depth of
// the path and on the watches found, never on how many are registered.
#pragma once

#include "tree/node.hpp"
#include "watch/watch.hpp"

#include <unordered_map>

namespace tessera::store {

class WatchIndex {
public:
    explicit WatchIndex(HashKey const& key) : key_(key) {}
    WatchIndex(WatchIndex const&) = delete;
    WatchIndex& operator=(WatchIndex const&) = delete;

    // Sets the watch's hash and links it. The caller keeps the watch alive until remove().
    void add(Watch& watch);
    void remove(Watch& watch);

    // The watch of `client` at `path` with `token`, or null.
    [[nodiscard]] Watch* find(Client const* client, std::string_view path, std::string_view token) const;

    // Calls visit(Watch&, distance) for each watch at `path` and above it; distance counts components.
    template <typename Visit>
    void for_each_covering(std::string_view path, Visit&& visit) const;

    // Calls visit(Watch&) for each watch exactly at `path`.
    template <typename Visit>
    void for_each_at(std::string_view path, Visit&& visit) const
    {
        if (!heads_.empty()) {
            visit_chain(hash_path(path), path, visit);
        }
    }

    [[nodiscard]] std::size_t size() const { return size_; }

private:
    struct Identity {
        std::size_t operator()(std::uint64_t hash) const { return hash; }
    };

    [[nodiscard]] std::uint64_t hash_path(std::string_view path) const;

    template <typename Visit>
    void visit_chain(std::uint64_t hash, std::string_view path, Visit& visit) const
    {
        auto const found = heads_.find(hash);
        if (found == heads_.end()) {
            return;
        }
        for (Watch* watch = found->second; watch != nullptr;) {
            Watch* const next = watch->next_at_path;
            if (watch->path == path) {
                visit(*watch);
            }
            watch = next;
        }
    }

    HashKey key_;
    std::unordered_map<std::uint64_t, Watch*, Identity> heads_;
    std::size_t size_ = 0;
};

template <typename Visit>
void WatchIndex::for_each_covering(std::string_view path, Visit&& visit) const
{
    if (heads_.empty()) {
        return;
    }
    constexpr std::size_t kMaxDepth = 3072 / 2 + 1;
    std::size_t depth = 0;
    for (char const c : path) {
        depth += c == '/' ? 1 : 0;
    }
    depth = path.size() <= 1 ? 0 : depth;
    if (depth > kMaxDepth) {
        return;
    }
    std::uint64_t hash = key_.first;
    std::size_t end = 0;
    for (std::size_t level = 0;; ++level) {
        std::string_view const prefix = level == 0 ? path.substr(0, 1) : path.substr(0, end);
        std::size_t const distance = depth - level;
        auto const at_prefix = [&](Watch& watch) { visit(watch, distance); };
        visit_chain(hash, prefix, at_prefix);
        if (level == depth) {
            return;
        }
        std::size_t const start = end + 1;
        std::size_t const slash = path.find('/', start);
        end = slash == std::string_view::npos ? path.size() : slash;
        hash = hash_child(key_, hash, Name(path.substr(start, end - start)).hash(key_));
    }
}

}  // namespace tessera::store
