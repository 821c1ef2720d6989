// SPDX-License-Identifier: MIT
// Implements the four kinds of change on a tree.
#include "transaction/editor.hpp"

namespace tessera::store
{

namespace
{

// The list that a node created below `parent` starts with, as a new reference.
PermissionId inherited_permissions(PermissionPool& pool, Node const& parent, std::uint16_t creator)
{
    if (creator == 0 || pool.owner(parent.permissions) == creator)
    {
        pool.retain(parent.permissions);
        return parent.permissions;
    }
    PermissionList list = pool.list(parent.permissions);
    list.front().domain = creator;
    return pool.intern(list);
}

void create_missing(Tree& tree, ChangeView const& change, Walk const& walk, AccountDelta& delta)
{
    auto& pool = tree.nodes().permissions();
    PermissionId const permissions = inherited_permissions(pool, *walk.nearest, change.creator);
    std::uint16_t const owner = pool.owner(permissions);
    std::size_t done = walk.nearest_length;
    std::size_t created = 0;
    std::size_t bytes = 0;
    while (done < change.path.size())
    {
        std::size_t const start = done == 1 ? 1 : done + 1;
        std::size_t const slash = change.path.find('/', start);
        done = slash == std::string_view::npos ? change.path.size() : slash;
        bool const last = done == change.path.size();
        std::string_view const value = last ? change.value : std::string_view();
        pool.retain(permissions);
        tree.create(change.path.substr(0, done), value, permissions);
        std::size_t const name = done - start;
        bytes += sizeof(Node) + (name > 8 ? name - 8 : 0) + value.size();
        ++created;
    }
    pool.release(permissions);
    delta.add(owner, static_cast<std::int64_t>(created), static_cast<std::int64_t>(bytes));
}

void remove_counted(Tree& tree, std::string_view path, Node const& node, AccountDelta& delta)
{
    auto const& pool = tree.nodes().permissions();
    std::string below(path);
    for_each_below(node, below, [&](std::string const&, Node const& gone) {
        delta.add(pool.owner(gone.permissions), -1, -static_cast<std::int64_t>(gone.size()));
    });
    tree.remove(path);
}

void change_permissions(Tree& tree, ChangeView const& change, Node const& node, AccountDelta& delta)
{
    auto& pool = tree.nodes().permissions();
    auto const bytes = static_cast<std::int64_t>(node.size());
    delta.add(pool.owner(node.permissions), -1, -bytes);
    PermissionId const permissions = pool.intern(*change.permissions);
    delta.add(pool.owner(permissions), 1, bytes);
    tree.set_permissions(change.path, permissions);
}

} // namespace

void apply_change(Tree& tree, ChangeView const& change, Walk const& walk, AccountDelta& delta)
{
    Node const* const node = walk.node;
    switch (change.kind)
    {
    case ChangeKind::Write:
        if (node == nullptr)
        {
            create_missing(tree, change, walk, delta);
        }
        else
        {
            auto const growth = static_cast<std::int64_t>(change.value.size()) - node->value_length;
            if (growth != 0)
            {
                delta.add(tree.nodes().permissions().owner(node->permissions), 0, growth);
            }
            tree.set_value(change.path, walk, change.value);
        }
        return;
    case ChangeKind::MakeDirectory:
        if (node == nullptr)
        {
            create_missing(tree, change, walk, delta);
        }
        return;
    case ChangeKind::Remove:
        if (node != nullptr && change.path.size() > 1)
        {
            remove_counted(tree, change.path, *node, delta);
        }
        return;
    case ChangeKind::SetPermissions:
        if (node != nullptr)
        {
            change_permissions(tree, change, *node, delta);
        }
        return;
    }
}

CreationCost creation_cost(Walk const& walk, std::string_view path, std::size_t value_size)
{
    CreationCost cost;
    if (walk.node != nullptr)
    {
        return cost;
    }
    std::string_view const missing = path.substr(walk.nearest_length == 1 ? 0 : walk.nearest_length);
    for (char const c : missing)
    {
        cost.nodes += c == '/' ? 1 : 0;
    }
    cost.bytes = cost.nodes * sizeof(Node) + missing.size() + value_size;
    return cost;
}

} // namespace tessera::store
