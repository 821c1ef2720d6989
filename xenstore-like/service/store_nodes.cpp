// SPDX-License-Identifier: MIT
// Implements the requests on nodes: directory, read, write, mkdir, rm and permissions.
#include "service/store.hpp"

#include <charconv>

namespace tessera::store
{

namespace
{

constexpr std::string_view kNul("\0", 1);

} // namespace

// The names of a node's children, each followed by NUL. The last listing is kept: reading a long directory in
// parts, or again and again, walks it once.
std::string const& Store::listing_of(Node const& node)
{
    if (node.children_digest != listing_.digest || node.children == nullptr)
    {
        listing_.names.clear();
        Tree::for_each_child(node, [&](Node const& child) {
            child.append_name(listing_.names);
            listing_.names += '\0';
            return true;
        });
        listing_.digest = node.children_digest;
    }
    return listing_.names;
}

int Store::do_directory(Call& call)
{
    std::string_view argument;
    NodePath path;
    Walk walk;
    if (!single_string(call.request.payload, argument))
    {
        return EINVAL;
    }
    if (int const error = argument_path(call, argument, path); error != 0)
    {
        return error;
    }
    if (int const error = open_node(call, path.text, kAccessRead, kSawChildren, walk); error != 0)
    {
        return error;
    }
    std::string const& names = listing_of(*walk.node);
    if (names.size() > kPayloadMax)
    {
        return E2BIG;
    }
    reply(call, names);
    return 0;
}

// Answers "<generation>|<names from the offset on>", ended by one more NUL when the listing is complete. The
// generation is derived from the set of names, so it changes exactly when the listing does.
int Store::do_directory_part(Call& call)
{
    StringList arguments(call.request.payload);
    std::string_view argument;
    std::string_view offset_text;
    std::uint64_t offset = 0;
    NodePath path;
    Walk walk;
    if (!arguments.next(argument) || !arguments.next(offset_text) || !arguments.at_end() ||
        !parse_number(offset_text, offset))
    {
        return EINVAL;
    }
    if (int const error = argument_path(call, argument, path); error != 0)
    {
        return error;
    }
    if (int const error = open_node(call, path.text, kAccessRead, kSawChildren, walk); error != 0)
    {
        return error;
    }
    std::string const& names = listing_of(*walk.node);
    char number[24];
    std::uint64_t const generation =
        fold_multiply(walk.node->children_digest ^ nodes_.key().second, nodes_.key().first);
    char* number_end = std::to_chars(number, number + sizeof number - 1, generation).ptr;
    *number_end++ = '\0';
    std::string_view const head(number, static_cast<std::size_t>(number_end - number));
    std::string_view rest = std::string_view(names).substr(std::min<std::uint64_t>(offset, names.size()));
    std::size_t const room = kPayloadMax - head.size() - 1;
    if (rest.size() <= room)
    {
        reply(call, head, {rest.data(), rest.size() + 1}); // with the NUL that std::string keeps behind its end
        return 0;
    }
    std::size_t const end = rest.substr(0, room).rfind('\0');
    reply(call, head, rest.substr(0, end + 1));
    return 0;
}

int Store::do_read(Call& call)
{
    std::string_view argument;
    NodePath path;
    Walk walk;
    if (!single_string(call.request.payload, argument))
    {
        return EINVAL;
    }
    if (int const error = argument_path(call, argument, path); error != 0)
    {
        return error;
    }
    if (int const error = open_node(call, path.text, kAccessRead, kSawValue, walk); error != 0)
    {
        return error;
    }
    reply(call, walk.node->value());
    return 0;
}

int Store::do_write(Call& call)
{
    StringList arguments(call.request.payload);
    std::string_view argument;
    NodePath path;
    Walk walk;
    if (!arguments.next(argument))
    {
        return EINVAL;
    }
    if (int const error = argument_path(call, argument, path); error != 0)
    {
        return error;
    }
    std::string_view const value = arguments.rest();
    if (int const error = open_for_change(call, path.text, value.size(), walk); error != 0)
    {
        return error;
    }
    ChangeView const change{ChangeKind::Write, path.text, value, nullptr, call.client.domain};
    if (int const error = perform(call, change, walk); error != 0)
    {
        return error;
    }
    acknowledge(call);
    return 0;
}

int Store::do_make_directory(Call& call)
{
    std::string_view argument;
    NodePath path;
    Walk walk;
    if (!single_string(call.request.payload, argument))
    {
        return EINVAL;
    }
    if (int const error = argument_path(call, argument, path); error != 0)
    {
        return error;
    }
    if (int const error = open_for_change(call, path.text, 0, walk); error != 0)
    {
        return error;
    }
    if (walk.node == nullptr)
    {
        ChangeView const change{ChangeKind::MakeDirectory, path.text, {}, nullptr, call.client.domain};
        if (int const error = perform(call, change, walk); error != 0)
        {
            return error;
        }
    }
    acknowledge(call);
    return 0;
}

// A node that is not there is no error as long as its parent exists.
int Store::do_remove(Call& call)
{
    std::string_view argument;
    NodePath path;
    Walk walk;
    if (!single_string(call.request.payload, argument))
    {
        return EINVAL;
    }
    if (int const error = argument_path(call, argument, path); error != 0)
    {
        return error;
    }
    if (path.text == "/")
    {
        return EINVAL;
    }
    int error = open_node(call, path.text, kAccessWrite, 0, walk);
    if (error == 0)
    {
        error = perform(call, {ChangeKind::Remove, path.text, {}, nullptr, call.client.domain}, walk);
    }
    else if (error == ENOENT && view(call).find(parent_path(path.text)) != nullptr)
    {
        error = 0;
    }
    if (error == 0)
    {
        acknowledge(call);
    }
    return error;
}

int Store::do_get_permissions(Call& call)
{
    std::string_view argument;
    NodePath path;
    Walk walk;
    if (!single_string(call.request.payload, argument))
    {
        return EINVAL;
    }
    PermissionList const* list = special_permissions(argument);
    if (list == nullptr)
    {
        if (int const error = argument_path(call, argument, path); error != 0)
        {
            return error;
        }
        if (int const error = open_node(call, path.text, kAccessRead, kSawPermissions, walk); error != 0)
        {
            return error;
        }
        list = &nodes_.permissions().list(walk.node->permissions);
    }
    else if ((access_of(call.client, *list) & kAccessRead) == 0)
    {
        return EACCES;
    }
    std::string text;
    for (auto const& permission : *list)
    {
        text += format_permission(permission);
        text += kNul;
    }
    if (text.size() > kPayloadMax)
    {
        return E2BIG;
    }
    reply(call, text);
    return 0;
}

int Store::do_set_permissions(Call& call)
{
    StringList arguments(call.request.payload);
    std::string_view argument;
    std::string_view text;
    PermissionList list;
    if (!arguments.next(argument))
    {
        return EINVAL;
    }
    while (arguments.next(text))
    {
        if (!parse_permission(text, list.emplace_back()))
        {
            return EINVAL;
        }
    }
    if (list.empty() || !arguments.at_end())
    {
        return EINVAL;
    }
    if (!call.client.privileged && list.size() > quotas_.permissions)
    {
        return ENOSPC;
    }
    if (special_permissions(argument) != nullptr)
    {
        return set_special_permissions(call, argument, list);
    }
    NodePath path;
    Walk walk;
    if (int const error = argument_path(call, argument, path); error != 0)
    {
        return error;
    }
    if (int const error = open_node(call, path.text, kAccessWrite, kSawPermissions, walk); error != 0)
    {
        return error;
    }
    if (!call.client.privileged)
    {
        std::uint16_t const owner = nodes_.permissions().owner(walk.node->permissions);
        bool const is_owner = owner == call.client.domain || owner == call.client.target;
        if (!is_owner || list.front().domain != owner)
        {
            return is_owner ? EPERM : EACCES;
        }
    }
    ChangeView const change{ChangeKind::SetPermissions, path.text, {}, &list, call.client.domain};
    if (int const error = perform(call, change, walk); error != 0)
    {
        return error;
    }
    acknowledge(call);
    return 0;
}

PermissionList const* Store::special_permissions(std::string_view name) const
{
    if (name == kIntroduceWatch)
    {
        return &introduce_permissions_;
    }
    return name == kReleaseWatch ? &release_permissions_ : nullptr;
}

int Store::set_special_permissions(Call& call, std::string_view name, PermissionList const& list)
{
    if (!call.client.privileged)
    {
        return EACCES;
    }
    if (log_ != nullptr)
    {
        if (int const error = log_->prepare(name.size() + list.size() * sizeof(Permission)); error != 0)
        {
            return error;
        }
        log_->special_permissions(name, list);
        log_->commit();
    }
    restore_special_permissions(name, list);
    acknowledge(call);
    return 0;
}

void Store::restore_special_permissions(std::string_view name, PermissionList const& list)
{
    (name == kIntroduceWatch ? introduce_permissions_ : release_permissions_) = list;
}

} // namespace tessera::store
