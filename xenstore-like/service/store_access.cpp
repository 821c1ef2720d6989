// SPDX-License-Identifier: MIT
// Decides who may do what: paths, permissions and quotas, and records what transactions look at.
#include "service/store.hpp"

namespace tessera::store
{

Tree const& Store::view(Call const& call) const
{
    return call.transaction != nullptr ? call.transaction->view() : tree_;
}

Tree& Store::view(Call const& call)
{
    return call.transaction != nullptr ? call.transaction->view() : tree_;
}

std::uint8_t Store::access_of(Client const& client, PermissionList const& list) const
{
    if (client.privileged)
    {
        return kAccessRead | kAccessWrite;
    }
    std::uint8_t access = allowed_access(list, client.domain);
    if (client.target.has_value())
    {
        access |= allowed_access(list, *client.target);
    }
    return access;
}

bool Store::may(Client const& client, Node const& node, std::uint8_t wanted) const
{
    return client.privileged || (access_of(client, nodes_.permissions().list(node.permissions)) & wanted) == wanted;
}

int Store::check_path(Client const& client, NodePath const& path) const
{
    if (client.privileged)
    {
        return 0;
    }
    bool const fits =
        path.text.size() - path.prefix <= quotas_.path_length && path_depth(path.text) <= quotas_.path_depth;
    return fits ? 0 : ENOSPC;
}

// The path of a request on nodes; open_node() and open_for_change() check its characters if they do not find it.
int Store::argument_path(Call const& call, std::string_view argument, NodePath& path)
{
    int const error = complete_path(argument, call.client.domain, path_scratch_, path);
    return error != 0 ? error : check_path(call.client, path);
}

// Finds an existing node on which the client has the right `wanted`; `saw` is what the request will look at.
// A client that may not read the nearest ancestor does not learn whether the node exists.
int Store::open_node(Call& call, std::string_view path, std::uint8_t wanted, std::uint8_t saw, Walk& walk)
{
    walk = view(call).walk(path);
    Node const* const node = walk.node;
    if (node == nullptr && !valid_absolute_path(path))
    {
        return EINVAL;
    }
    if (call.transaction != nullptr)
    {
        if (node != nullptr)
        {
            call.transaction->note(path, saw | kSawExistence | (call.client.privileged ? 0 : kSawPermissions));
        }
        else
        {
            std::size_t const next = path.find('/', walk.nearest_length + (walk.nearest_length == 1 ? 0 : 1));
            call.transaction->note(path.substr(0, next), kSawExistence);
        }
        if (int const error = check_transaction(call); error != 0)
        {
            return error;
        }
    }
    if (node == nullptr)
    {
        return may(call.client, *walk.nearest, wanted) ? ENOENT : EACCES;
    }
    return may(call.client, *node, wanted) ? 0 : EACCES;
}

// The same for requests that change a node or create it: needs the right to write the node, or its nearest
// existing ancestor, and room in the quotas for what will be created.
int Store::open_for_change(Call& call, std::string_view path, std::size_t value_size, Walk& walk)
{
    walk = view(call).walk_for_change(path);
    if (walk.node == nullptr && !valid_absolute_path(path))
    {
        return EINVAL;
    }
    if (call.transaction != nullptr)
    {
        // What is missing below the nearest ancestor is created when the transaction commits, or found there if
        // another one was faster: both give the same answer, so only the ancestor counts as seen.
        call.transaction->note(path.substr(0, walk.nearest_length), kSawExistence | kSawPermissions);
        if (int const error = check_transaction(call); error != 0)
        {
            return error;
        }
    }
    if (call.client.privileged)
    {
        return 0;
    }
    if (!may(call.client, *walk.nearest, kAccessWrite))
    {
        return EACCES;
    }
    if (value_size > quotas_.value_size)
    {
        return ENOSPC;
    }
    auto const growth = walk.node == nullptr ? 0 : static_cast<std::int64_t>(value_size) - walk.node->value_length;
    return check_growth(call, creation_cost(walk, path, value_size), growth);
}

// What a transaction remembers belongs to its domain's account; every further step needs room there.
int Store::check_transaction(Call& call)
{
    if (call.client.privileged)
    {
        return 0;
    }
    auto& account = accounts_.of(call.client.domain);
    std::size_t const bytes = call.transaction->bytes();
    account.transaction_bytes +=
        static_cast<std::int64_t>(bytes) - static_cast<std::int64_t>(call.transaction->accounted);
    call.transaction->accounted = bytes;
    bool const too_many = call.transaction->touched() > quotas_.transaction_nodes;
    return too_many || account.bytes() > static_cast<std::int64_t>(quotas_.memory) ? ENOSPC : 0;
}

int Store::check_growth(Call const& call, CreationCost const& cost, std::int64_t growth)
{
    auto& account = accounts_.of(call.client.domain);
    auto const pending = call.transaction != nullptr ? call.transaction->delta().of(call.client.domain)
                                                     : AccountDelta::Entry{call.client.domain, 0, 0};
    auto const nodes = account.nodes + pending.nodes + static_cast<std::int64_t>(cost.nodes);
    auto const bytes =
        account.bytes() + pending.bytes + growth + static_cast<std::int64_t>(cost.bytes + call.client.output.size());
    bool const too_many = cost.nodes > 0 && nodes > static_cast<std::int64_t>(quotas_.nodes);
    bool const too_big = (cost.nodes > 0 || growth > 0) && bytes > static_cast<std::int64_t>(quotas_.memory);
    if (!account.warned && bytes > static_cast<std::int64_t>(quotas_.soft_memory))
    {
        warn(call.client.domain, DomainEvent::SoftQuotaExceeded);
    }
    return too_many || too_big ? ENOSPC : 0;
}

// Carries out a checked change, in the call's transaction or at once. `walk` is where its path leads.
int Store::perform(Call& call, ChangeView const& change, Walk const& walk)
{
    if (call.transaction != nullptr)
    {
        call.transaction->apply(change, walk);
        return 0;
    }
    return commit_single(change, walk);
}

} // namespace tessera::store
