// SPDX-License-Identifier: MIT
// Remembers what a transaction has seen of each path, and tells whether that still holds.
#pragma once

#include "tree/tree.hpp"

#include <functional>
#include <string>
#include <unordered_map>

namespace tessera::store {

// What of a node a request depended on.
inline constexpr std::uint8_t kSawExistence = 1;
inline constexpr std::uint8_t kSawValue = 2;
inline constexpr std::uint8_t kSawChildren = 4;
inline constexpr std::uint8_t kSawPermissions = 8;

class AccessLog {
public:
    void note(std::string_view path, std::uint8_t saw);

    [[nodiscard]] std::size_t size() const { return seen_.size(); }

    // True if everything that was seen in `then` reads the same in `now`. Contents are compared rather than
    // versions, so a node that was changed and changed back is no conflict.
    [[nodiscard]] bool still_holds(Tree const& then, Tree const& now) const;

private:
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
    };

    std::unordered_map<std::string, std::uint8_t, Hash, std::equal_to<>> seen_;
};

}  // namespace tessera::store
