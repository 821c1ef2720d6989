// SPDX-License-Identifier: MIT
// Implements watches: registration, and the delivery of events to those who may see them.
#include "service/store.hpp"

namespace tessera::store
{

// Payload: path, token and, if the client wants to limit how far below the path changes count, a depth.
// The reply comes before the first event, which reports the watched path itself.
int Store::do_watch(Call& call)
{
    StringList arguments(call.request.payload);
    std::string_view argument;
    std::string_view token;
    std::string_view depth_text;
    std::uint64_t depth = kAnyDepth;
    NodePath path;
    if (!arguments.next(argument) || !arguments.next(token))
    {
        return EINVAL;
    }
    if (arguments.next(depth_text) && (!parse_number(depth_text, depth) || depth >= kAnyDepth))
    {
        return EINVAL;
    }
    if (!arguments.at_end())
    {
        return EINVAL;
    }
    if (int const error = resolve_watch_path(argument, call.client.domain, path_scratch_, path); error != 0)
    {
        return error;
    }
    if (int const error = check_path(call.client, path); error != 0)
    {
        return error;
    }
    if (watches_.find(&call.client, path.text, token) != nullptr)
    {
        return EEXIST;
    }
    auto const& account = accounts_.of(call.client.domain);
    if (!call.client.privileged && account.watches >= static_cast<std::int64_t>(quotas_.watches))
    {
        return E2BIG;
    }
    std::size_t const record = path.text.size() + token.size();
    if (!call.client.privileged &&
        account.bytes() + static_cast<std::int64_t>(sizeof(Watch) + record) > static_cast<std::int64_t>(quotas_.memory))
    {
        return ENOSPC;
    }
    if (log_ != nullptr && !call.client.socket)
    {
        if (int const error = log_->prepare(record); error != 0)
        {
            return error;
        }
    }
    Watch& watch = add_watch(call.client, path.text, token, static_cast<std::uint32_t>(path.prefix),
                             static_cast<std::uint32_t>(depth));
    if (log_ != nullptr && !call.client.socket)
    {
        log_->watch_added(watch);
        log_->commit();
    }
    acknowledge(call);
    deliver(watch, watch.path());
    return 0;
}

int Store::do_unwatch(Call& call)
{
    StringList arguments(call.request.payload);
    std::string_view argument;
    std::string_view token;
    NodePath path;
    if (!arguments.next(argument) || !arguments.next(token))
    {
        return EINVAL;
    }
    if (int const error = resolve_watch_path(argument, call.client.domain, path_scratch_, path); error != 0)
    {
        return error;
    }
    Watch* const watch = watches_.find(&call.client, path.text, token);
    if (watch == nullptr)
    {
        return ENOENT;
    }
    if (log_ != nullptr && !call.client.socket)
    {
        if (int const error = log_->prepare(path.text.size() + token.size()); error != 0)
        {
            return error;
        }
        log_->watch_removed(*watch);
        log_->commit();
    }
    remove_watch(*watch->client, *watch);
    acknowledge(call);
    return 0;
}

int Store::do_reset_watches(Call& call)
{
    remove_all_watches(call.client);
    drop_all_transactions(call.client);
    if (log_ != nullptr)
    {
        log_->commit();
    }
    call.transaction = nullptr;
    acknowledge(call);
    return 0;
}

Watch& Store::add_watch(Client& client, std::string_view path, std::string_view token, std::uint32_t prefix,
                        std::uint32_t depth)
{
    auto* watch = new Watch(path, token); // owned by the client's list until remove_watch()
    watch->client = &client;
    watch->prefix = prefix;
    watch->depth = depth;
    watch->next_of_client = client.watches;
    if (client.watches != nullptr)
    {
        client.watches->previous_of_client = watch;
    }
    client.watches = watch;
    ++client.watch_count;
    watches_.add(*watch);
    auto& account = accounts_.of(client.domain);
    ++account.watches;
    account.watch_bytes += static_cast<std::int64_t>(watch->bytes());
    return *watch;
}

void Store::remove_watch(Client& client, Watch& watch)
{
    watches_.remove(watch);
    if (watch.next_of_client != nullptr)
    {
        watch.next_of_client->previous_of_client = watch.previous_of_client;
    }
    if (client.watches == &watch)
    {
        client.watches = watch.next_of_client;
    }
    else
    {
        watch.previous_of_client->next_of_client = watch.next_of_client;
    }
    --client.watch_count;
    auto& account = accounts_.of(client.domain);
    --account.watches;
    account.watch_bytes -= static_cast<std::int64_t>(watch.bytes());
    delete &watch;
}

void Store::remove_all_watches(Client& client)
{
    if (log_ != nullptr && !client.socket && client.watches != nullptr && log_->prepare(0) == 0)
    {
        log_->watches_reset(client.domain);
    }
    while (client.watches != nullptr)
    {
        remove_watch(client, *client.watches);
    }
}

// A client hears of a change if it could read the node before it or can read it after it.
bool Store::sees(Client const& client, PermissionList const* before, PermissionList const* after) const
{
    return client.privileged || (before != nullptr && (access_of(client, *before) & kAccessRead) != 0) ||
           (after != nullptr && (access_of(client, *after) & kAccessRead) != 0);
}

// Tells the watches that cover `path` of a change; `before` and `after` are the tree's versions around it, null
// where the node is known not to be. They are looked at only if an unprivileged client watches.
void Store::fire(std::string_view path, Tree const* before, Tree const* after)
{
    PermissionList const* list_before = nullptr;
    PermissionList const* list_after = nullptr;
    bool known = false;
    auto const list_in = [&](Tree const* tree) {
        Node const* const node = tree == nullptr ? nullptr : tree->find(path);
        return node == nullptr ? nullptr : &nodes_.permissions().list(node->permissions);
    };
    watches_.for_each_covering(path, [&](Watch& watch, std::string_view below) {
        if (watch.depth != kAnyDepth && path_depth(below) > watch.depth)
        {
            return;
        }
        if (!watch.client->privileged && !known)
        {
            list_before = list_in(before);
            list_after = list_in(after);
            known = true;
        }
        if (sees(*watch.client, list_before, list_after))
        {
            deliver(watch, path);
        }
    });
}

void Store::fire_exact(std::string_view path, PermissionList const& before)
{
    watches_.for_each_at(path, [&](Watch& watch) {
        if (sees(*watch.client, &before, nullptr))
        {
            deliver(watch, path);
        }
    });
}

void Store::fire_special(std::string_view name)
{
    PermissionList const* const list = special_permissions(name);
    watches_.for_each_at(name, [&](Watch& watch) {
        if (sees(*watch.client, list, list))
        {
            deliver(watch, name);
        }
    });
}

// A client that does not read has its events withheld above a limit; when it has read what is queued, each watch
// that missed something reports its own path once. Memory stays bounded and no change goes unnoticed.
void Store::deliver(Watch& watch, std::string_view path)
{
    Client& client = *watch.client;
    if (client.output.size() > (client.socket ? socket_output_limit_ : guest_output_limit_))
    {
        watch.missed = true;
        client.missed_events = true;
        return;
    }
    std::string_view shown = path.substr(watch.prefix);
    if (shown.size() + watch.ending().size() > kPayloadMax)
    {
        shown = watch.own_path();
    }
    client.output.append(XS_WATCH_EVENT, 0, 0, shown, watch.ending());
    if (trace_ && &client != traced_)
    {
        observer_->message_queued(client, XS_WATCH_EVENT, shown, watch.ending());
    }
    mark_dirty(client);
}

void Store::fire_all(Client& client)
{
    for (Watch* watch = client.watches; watch != nullptr; watch = watch->next_of_client)
    {
        deliver(*watch, watch->path());
    }
}

void Store::restore_watch(Client& client, std::string_view path, std::string_view token, std::uint32_t prefix,
                          std::uint32_t depth)
{
    if (watches_.find(&client, path, token) == nullptr && prefix <= path.size())
    {
        add_watch(client, path, token, prefix, depth);
    }
}

void Store::forget_restored_watch(Client& client, std::string_view path, std::string_view token)
{
    if (Watch* const watch = watches_.find(&client, path, token); watch != nullptr)
    {
        remove_watch(*watch->client, *watch);
    }
}

} // namespace tessera::store
