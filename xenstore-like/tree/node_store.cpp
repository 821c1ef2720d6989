// SPDX-License-Identifier: MIT
// Implements allocation, sharing and the treap steps (search, split, merge), all of them iterative.
#include "tree/node_store.hpp"

#include <new>

namespace tessera::store
{

Node* NodeStore::create(Name const& name, std::string_view value, PermissionId permissions)
{
    std::string_view const tail = name.tail();
    auto* node = new (pool_.allocate(sizeof(Node) + tail.size() + value.size())) Node{};
    node->references = 1;
    node->priority = static_cast<std::uint32_t>(name.hash(key_) >> 32);
    node->name_key = name.key;
    node->permissions = permissions;
    node->name_length = static_cast<std::uint16_t>(name.text.size());
    node->value_length = static_cast<std::uint16_t>(value.size());
    tail.copy(node->bytes(), tail.size());
    value.copy(node->bytes() + tail.size(), value.size());
    ++node_count_;
    return node;
}

void NodeStore::release(Node* node)
{
    if (--node->references != 0)
    {
        return;
    }
    doomed_.push_back(node);
    while (!doomed_.empty())
    {
        Node* const dead = doomed_.back();
        doomed_.pop_back();
        for (Node* const link : {dead->left, dead->right, dead->children})
        {
            if (link != nullptr && --link->references == 0)
            {
                doomed_.push_back(link);
            }
        }
        permissions_.release(dead->permissions);
        pool_.free(dead, dead->size());
        --node_count_;
    }
}

Node* NodeStore::replace_by_copy(Node*& slot)
{
    Node* const old = slot;
    std::size_t const size = old->size();
    void* const memory = pool_.allocate(size);
    std::memcpy(memory, old, size);
    auto* copy = static_cast<Node*>(memory);
    copy->references = 1;
    for (Node* const link : {copy->left, copy->right, copy->children})
    {
        if (link != nullptr)
        {
            retain(link);
        }
    }
    permissions_.retain(copy->permissions);
    --old->references;
    ++node_count_;
    slot = copy;
    return copy;
}

void NodeStore::set_value(Node*& slot, std::string_view value)
{
    Node* node = slot;
    std::size_t const tail = node->tail_length();
    std::size_t const size = sizeof(Node) + tail + value.size();
    if (!NodePool::same_class(node->size(), size))
    {
        void* const memory = pool_.allocate(size);
        std::memcpy(memory, node, sizeof(Node) + tail);
        pool_.free(node, node->size());
        node = static_cast<Node*>(memory);
        slot = node;
    }
    node->value_length = static_cast<std::uint16_t>(value.size());
    value.copy(node->bytes() + tail, value.size());
}

Node** NodeStore::find_unique(Node** slot, Name const& name)
{
    for (;;)
    {
        Node* const node = unique(*slot);
        if (name.key != node->name_key)
        {
            slot = name.key < node->name_key ? &node->left : &node->right;
            continue;
        }
        int const order = node->compare(name);
        if (order == 0)
        {
            return slot;
        }
        slot = order < 0 ? &node->left : &node->right;
    }
}

void NodeStore::insert_child(Node* parent, Node* fresh)
{
    std::string text;
    fresh->append_name(text);
    Name const name(text);
    Node** slot = &parent->children;
    while (*slot != nullptr && (*slot)->priority >= fresh->priority)
    {
        Node* const node = unique(*slot);
        slot = node->compare(name) < 0 ? &node->left : &node->right;
    }
    split(*slot, name, &fresh->left, &fresh->right);
    *slot = fresh;
    parent->children_digest += digest(fresh);
}

Node* NodeStore::detach_child(Node* parent, Name const& name)
{
    Node** const slot = find_unique(&parent->children, name);
    Node* const node = *slot;
    parent->children_digest -= digest(node);
    merge(node->left, node->right, slot);
    node->left = nullptr;
    node->right = nullptr;
    return node;
}

void NodeStore::split(Node* root, Name const& name, Node** smaller, Node** larger)
{
    while (root != nullptr)
    {
        unique(root);
        if (root->compare(name) > 0)
        {
            *smaller = root;
            smaller = &root->right;
            root = root->right;
        }
        else
        {
            *larger = root;
            larger = &root->left;
            root = root->left;
        }
    }
    *smaller = nullptr;
    *larger = nullptr;
}

void NodeStore::merge(Node* smaller, Node* larger, Node** slot)
{
    while (smaller != nullptr && larger != nullptr)
    {
        if (smaller->priority >= larger->priority)
        {
            unique(smaller);
            *slot = smaller;
            slot = &smaller->right;
            smaller = smaller->right;
        }
        else
        {
            unique(larger);
            *slot = larger;
            slot = &larger->left;
            larger = larger->left;
        }
    }
    *slot = smaller != nullptr ? smaller : larger;
}

} // namespace tessera::store
