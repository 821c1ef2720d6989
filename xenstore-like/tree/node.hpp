// SPDX-License-Identifier: MIT
// Defines one node of the tree: a header of 56 bytes followed by the rest of its name and its value.
#pragma once

#include "tree/hash.hpp"
#include "tree/permissions.hpp"

#include <string>

namespace tessera::store
{

// A component of a path, with what comparing and hashing need worked out once.
struct Name
{
    std::string_view text;
    std::uint64_t key = 0;

    Name() = default;
    explicit Name(std::string_view from) : text(from), key(name_key(from)) {}

    [[nodiscard]] std::string_view tail() const { return text.size() > 8 ? text.substr(8) : std::string_view(); }
    [[nodiscard]] std::uint64_t hash(HashKey const& secret) const
    {
        return hash_name(secret, key, text.size(), tail());
    }
    // Hash of a path that ends in this component, from its parent's.
    [[nodiscard]] std::uint64_t hash_below(HashKey const& secret, std::uint64_t parent) const
    {
        return hash_child(secret, parent, key, text.size(), tail());
    }
};

// Nodes are immutable while shared (references > 1) and changed in place by NodeStore while they are not.
// The children of a node form a treap: ordered by name through left and right, heap-ordered by a keyed priority,
// so its depth is logarithmic whatever names a client chooses.
//
//      node "domain" --children--> "5"            left/right: siblings
//                                 /   \           children:   root of the next directory's treap
//                              "12"    "7"
struct Node
{
    std::uint32_t references;
    std::uint32_t priority;
    Node* left;
    Node* right;
    Node* children;
    std::uint64_t children_digest; // sum over the children's names of a keyed hash: equal sets, equal digests
    std::uint64_t name_key;
    PermissionId permissions;
    std::uint16_t name_length;
    std::uint16_t value_length;

    [[nodiscard]] std::size_t tail_length() const { return name_length > 8 ? name_length - 8U : 0U; }
    [[nodiscard]] char const* bytes() const { return reinterpret_cast<char const*>(this + 1); }
    [[nodiscard]] char* bytes() { return reinterpret_cast<char*>(this + 1); }
    [[nodiscard]] std::string_view tail() const { return {bytes(), tail_length()}; }
    [[nodiscard]] std::string_view value() const { return {bytes() + tail_length(), value_length}; }
    [[nodiscard]] std::size_t size() const { return sizeof(Node) + tail_length() + value_length; }

    void append_name(std::string& to) const
    {
        std::uint64_t const beginning = __builtin_bswap64(name_key);
        char first[8];
        std::memcpy(first, &beginning, sizeof first);
        to.append(first, name_length < 8 ? name_length : 8U);
        to.append(tail());
    }

    [[nodiscard]] std::uint64_t name_hash(HashKey const& secret) const
    {
        return hash_name(secret, name_key, name_length, tail());
    }

    // Negative, zero or positive as `name` sorts before, at or after this node.
    [[nodiscard]] int compare(Name const& name) const
    {
        if (name.key != name_key)
        {
            return name.key < name_key ? -1 : 1;
        }
        if (name.text.size() <= 8 || name_length <= 8)
        {
            return static_cast<int>(name.text.size()) - static_cast<int>(name_length);
        }
        return name.tail().compare(tail());
    }
};

static_assert(sizeof(Node) == 56);

} // namespace tessera::store
