// SPDX-License-Identifier: MIT
// Remembers what a transaction has seen and changed of each path, and tells whether what it saw still holds.
#pragma once

#include "tree/tree.hpp"

#include <string>
#include <vector>

namespace tessera::store
{

// What of a node a request depended on.
inline constexpr std::uint8_t kSawExistence = 1;
inline constexpr std::uint8_t kSawValue = 2;
inline constexpr std::uint8_t kSawChildren = 4;
inline constexpr std::uint8_t kSawPermissions = 8;
inline constexpr std::uint8_t kChanged = 16; // no dependency: the transaction changed the node itself

// The paths lie behind each other in one string and are found through a table of their hashes.
class AccessLog
{
public:
    explicit AccessLog(HashKey const& key) : key_(key) {}

    // Adds to what was seen of `path`. Returns what was known before.
    std::uint8_t note(std::string_view path, std::uint8_t saw);

    [[nodiscard]] std::size_t size() const { return entries_.size(); }
    [[nodiscard]] std::size_t bytes() const
    {
        return paths_.size() + entries_.size() * (sizeof(Entry) + 2 * sizeof slots_[0]);
    }

    // True if everything that was seen in `then` reads the same in `now`. Contents are compared rather than
    // versions, so a node that was changed and changed back is no conflict.
    [[nodiscard]] bool still_holds(Tree const& then, Tree const& now) const;

private:
    struct Entry
    {
        std::uint64_t hash;
        std::uint32_t start;
        std::uint16_t length;
        std::uint8_t saw;
    };

    [[nodiscard]] std::string_view path_of(Entry const& entry) const
    {
        return std::string_view(paths_).substr(entry.start, entry.length);
    }
    [[nodiscard]] std::uint64_t hash(std::string_view path) const;
    [[nodiscard]] std::size_t slot_of(std::string_view path, std::uint64_t hash) const;
    void grow();

    HashKey key_;
    std::string paths_;
    std::vector<Entry> entries_;
    std::uint32_t last_ = 0;           // index plus one of the entry noted last: requests look at their path twice
    std::vector<std::uint32_t> slots_; // index into entries_ plus one; a power of two of them, at most half used
};

} // namespace tessera::store
