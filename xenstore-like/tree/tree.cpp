// SPDX-License-Identifier: MIT
// Implements path walks and changes on top of the node store.
#include "tree/tree.hpp"

#include "wire/path.hpp"

#include <algorithm>
#include <utility>

namespace tessera::store
{

Tree::Tree(NodeStore& nodes, PermissionId root_permissions)
    : nodes_(&nodes), root_(nodes.create(Name(std::string_view()), {}, root_permissions))
{
}

Tree::Tree(Tree const& other) : nodes_(other.nodes_), root_(other.root_)
{
    NodeStore::retain(root_);
}

Tree::Tree(Tree&& other) noexcept : nodes_(other.nodes_), root_(std::exchange(other.root_, nullptr)) {}

Tree& Tree::operator=(Tree other) noexcept
{
    std::swap(nodes_, other.nodes_);
    std::swap(root_, other.root_);
    return *this;
}

Tree::~Tree()
{
    if (root_ != nullptr)
    {
        nodes_->release(root_);
    }
}

Walk Tree::walk(std::string_view path) const
{
    Walk result{nullptr, root_, 1};
    PathComponents components(path);
    Name name;
    while (components.next(name))
    {
        Node const* const child = NodeStore::find(result.nearest->children, name);
        if (child == nullptr)
        {
            return result;
        }
        result.nearest = child;
        result.nearest_length = static_cast<std::size_t>(name.text.data() + name.text.size() - path.data());
    }
    result.node = result.nearest;
    return result;
}

// Every node that is passed counts, siblings in the treaps too: a change copies all of them that are shared.
Walk Tree::walk_for_change(std::string_view path)
{
    Walk result{nullptr, root_, 1};
    Node** slot = &root_;
    if (root_->references != 1)
    {
        result.slot = slot;
        result.shared_from = 0;
    }
    PathComponents components(path);
    Name name;
    while (components.next(name))
    {
        slot = &(*slot)->children;
        for (;;)
        {
            Node* const node = *slot;
            if (node == nullptr)
            {
                return result;
            }
            if (node->references != 1 && result.slot == nullptr)
            {
                result.slot = slot;
                result.shared_from = static_cast<std::size_t>(name.text.data() - path.data());
            }
            if (name.key != node->name_key)
            {
                slot = name.key < node->name_key ? &node->left : &node->right;
                continue;
            }
            int const order = node->compare(name);
            if (order == 0)
            {
                break;
            }
            slot = order < 0 ? &node->left : &node->right;
        }
        result.nearest = *slot;
        result.nearest_length = static_cast<std::size_t>(name.text.data() + name.text.size() - path.data());
    }
    result.node = result.nearest;
    result.slot = result.slot == nullptr ? slot : result.slot;
    return result;
}

Node** Tree::unique_slot(std::string_view path)
{
    nodes_->unique(root_);
    return unique_below(&root_, path);
}

// Goes on where walk_for_change() met the first shared node: what lies before it is unique already.
Node** Tree::unique_slot(std::string_view path, Walk const& walk)
{
    if (walk.slot == nullptr || walk.shared_from == 0)
    {
        return unique_slot(path);
    }
    if (walk.shared_from == Walk::kNotShared)
    {
        return walk.slot;
    }
    std::size_t const end = std::min(path.find('/', walk.shared_from), path.size());
    Name const name(path.substr(walk.shared_from, end - walk.shared_from));
    return unique_below(nodes_->find_unique(walk.slot, name), path.substr(end));
}

// `rest` is "/" or what follows the unique node in `slot` in a path: "/a/b", or nothing.
Node** Tree::unique_below(Node** slot, std::string_view rest)
{
    PathComponents components(rest);
    Name name;
    while (components.next(name))
    {
        slot = nodes_->find_unique(&(*slot)->children, name);
    }
    return slot;
}

void Tree::set_value(std::string_view path, Walk const& walk, std::string_view value)
{
    nodes_->set_value(*unique_slot(path, walk), value);
}

void Tree::set_permissions(std::string_view path, PermissionId permissions)
{
    Node* const node = *unique_slot(path);
    nodes_->permissions().release(node->permissions);
    node->permissions = permissions;
}

void Tree::create(std::string_view path, std::string_view value, PermissionId permissions)
{
    std::string_view const name = path.substr(path.rfind('/') + 1);
    Node* const fresh = nodes_->create(Name(name), value, permissions);
    nodes_->insert_child(*unique_slot(parent_path(path)), fresh);
}

void Tree::remove(std::string_view path)
{
    std::string_view const name = path.substr(path.rfind('/') + 1);
    nodes_->release(nodes_->detach_child(*unique_slot(parent_path(path)), Name(name)));
}

} // namespace tessera::store
