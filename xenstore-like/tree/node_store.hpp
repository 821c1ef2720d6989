// SPDX-License-Identifier: MIT
// Owns all nodes and implements the persistent treap operations on which Tree builds.
//
// Ownership: a Node* in a slot (a tree's root, a node's left, right or children) owns one reference. unique() makes the node
// in a slot changeable: a shared node is replaced by a copy, whose links become further references to the old
// node's neighbours. Going down from a unique root through unique() therefore never touches what a snapshot sees.
#pragma once

#include "tree/node.hpp"
#include "tree/node_pool.hpp"

#include <vector>

namespace tessera::store
{

class NodeStore
{
public:
    explicit NodeStore(HashKey const& key = {}) : key_(key) {}
    NodeStore(NodeStore const&) = delete;
    NodeStore& operator=(NodeStore const&) = delete;

    // A new node with one reference; takes over one reference to `permissions` from the caller.
    Node* create(Name const& name, std::string_view value, PermissionId permissions);

    static void retain(Node* node) { ++node->references; }
    void release(Node* node);

    // Replaces a shared node in `slot` by a private copy. Returns the node that is now in the slot.
    Node* unique(Node*& slot) { return slot->references == 1 ? slot : replace_by_copy(slot); }

    // Changes the value of the unique node in `slot`, which may move.
    void set_value(Node*& slot, std::string_view value);

    // The child called `name` in the treap at `root`, or null.
    static Node* find(Node* root, Name const& name)
    {
        while (root != nullptr)
        {
            if (name.key != root->name_key)
            {
                root = name.key < root->name_key ? root->left : root->right;
                continue;
            }
            int const order = root->compare(name);
            if (order == 0)
            {
                return root;
            }
            root = order < 0 ? root->left : root->right;
        }
        return nullptr;
    }

    // The slot of an existing child, every node on the way to it made unique, itself included.
    Node** find_unique(Node** slot, Name const& name);

    // Adds `fresh` (no such name yet) to the children of the unique node `parent`.
    void insert_child(Node* parent, Node* fresh);

    // Takes the existing child `name` out of the unique node `parent`. The caller owns the result.
    Node* detach_child(Node* parent, Name const& name);

    PermissionPool& permissions() { return permissions_; }
    [[nodiscard]] PermissionPool const& permissions() const { return permissions_; }
    [[nodiscard]] HashKey const& key() const { return key_; }
    [[nodiscard]] std::size_t node_count() const { return node_count_; }
    [[nodiscard]] std::size_t reserved_bytes() const { return pool_.reserved(); }

private:
    Node* replace_by_copy(Node*& slot);
    void split(Node* root, Name const& name, Node** smaller, Node** larger);
    void merge(Node* smaller, Node* larger, Node** slot);
    [[nodiscard]] std::uint64_t digest(Node const* node) const { return node->name_hash(key_) * 0xff51afd7ed558ccdULL; }

    HashKey key_;
    NodePool pool_;
    PermissionPool permissions_;
    std::vector<Node*> doomed_; // work list of release(), so that deep trees need no deep stack
    std::size_t node_count_ = 0;
};

} // namespace tessera::store
