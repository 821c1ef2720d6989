// SPDX-License-Identifier: MIT
// The store's semantics in the plainest form: a map from paths to nodes, copied whole for each transaction. It shares
// no code with the tree, the transactions or the watch index that it checks.
#pragma once

#include "tree/permissions.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace tessera::store::test
{

struct NaiveNode
{
    std::string value;
    PermissionList permissions;
};
using NaiveTree = std::map<std::string, NaiveNode>;

struct NaiveChange
{
    char kind; // 'w'rite, 'm'kdir, 'r'm, 'p'ermissions
    std::string path;
    std::string value;
    PermissionList permissions;
    std::uint16_t creator;
};

struct NaiveTransaction
{
    NaiveTree base;
    NaiveTree view;
    std::vector<NaiveChange> changes;
    std::set<std::pair<std::string, char>> seen; // 'e'xistence, 'v'alue, 'c'hildren, 'p'ermissions
};

struct NaiveWatch
{
    int client;
    std::string path;
    std::string token;
    bool operator==(NaiveWatch const&) const = default;
};

inline std::string naive_parent(std::string const& path)
{
    std::size_t const slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}
inline bool naive_below(std::string const& top, std::string const& path)
{
    return top == "/" || path == top || path.starts_with(top + "/");
}

// Clients are numbered; domain 0 is privileged. Replies are payloads, "!NAME" for errors; events are collected as
// (client, "path|token").
class NaiveStore
{
public:
    std::map<int, std::uint16_t> domain_of;
    NaiveTree tree{{"/", {"", {{0, kAccessNone}}}}};
    std::map<std::pair<int, std::uint32_t>, NaiveTransaction> transactions;
    std::vector<NaiveWatch> watches;
    std::vector<std::pair<int, std::string>> events;
    std::uint32_t next_transaction = 1;

    std::string read(int client, std::string const& path, std::uint32_t id)
    {
        std::string const error = open(client, path, kAccessRead, 'v', id);
        return error.empty() ? view(client, id)[path].value : error;
    }
    std::string directory(int client, std::string const& path, std::uint32_t id)
    {
        std::string const error = open(client, path, kAccessRead, 'c', id);
        return error.empty() ? names(view(client, id), path) : error;
    }
    std::string get_permissions(int client, std::string const& path, std::uint32_t id)
    {
        std::string text = open(client, path, kAccessRead, 'p', id);
        if (text.empty())
        {
            for (auto const& permission : view(client, id)[path].permissions)
            {
                text += format_permission(permission) + std::string(1, '\0');
            }
        }
        return text;
    }
    std::string write(int client, std::string const& path, std::string const& value, std::uint32_t id)
    {
        std::string const error = open_for_change(client, path, id);
        return error.empty() ? perform(client, {'w', path, value, {}, domain_of[client]}, id) : error;
    }
    std::string make_directory(int client, std::string const& path, std::uint32_t id)
    {
        std::string const error = open_for_change(client, path, id);
        if (!error.empty() || view(client, id).contains(path))
        {
            return error.empty() ? kDone : error;
        }
        return perform(client, {'m', path, "", {}, domain_of[client]}, id);
    }
    std::string remove(int client, std::string const& path, std::uint32_t id)
    {
        if (path == "/")
        {
            return "!EINVAL";
        }
        std::string const error = open(client, path, kAccessWrite, 'e', id);
        if (error == "!ENOENT" && view(client, id).contains(naive_parent(path)))
        {
            return kDone;
        }
        return error.empty() ? perform(client, {'r', path, "", {}, domain_of[client]}, id) : error;
    }
    std::string set_permissions(int client, std::string const& path, PermissionList const& list, std::uint32_t id)
    {
        std::string const error = open(client, path, kAccessWrite, 'p', id);
        if (!error.empty())
        {
            return error;
        }
        std::uint16_t const owner = view(client, id)[path].permissions.front().domain;
        if (domain_of[client] != 0 && (owner != domain_of[client] || list.front().domain != owner))
        {
            return owner != domain_of[client] ? "!EACCES" : "!EPERM";
        }
        return perform(client, {'p', path, "", list, domain_of[client]}, id);
    }
    std::string watch(int client, std::string const& path, std::string const& token)
    {
        NaiveWatch const fresh{client, path, token};
        if (std::find(watches.begin(), watches.end(), fresh) != watches.end())
        {
            return "!EEXIST";
        }
        watches.push_back(fresh);
        events.emplace_back(client, path + "|" + token);
        return kDone;
    }
    std::string unwatch(int client, std::string const& path, std::string const& token)
    {
        return std::erase(watches, NaiveWatch{client, path, token}) != 0 ? kDone : "!ENOENT";
    }
    std::string start(int client)
    {
        transactions[{client, next_transaction}] = {tree, tree, {}, {}};
        return std::to_string(next_transaction++) + std::string(1, '\0');
    }
    std::string end(int client, std::uint32_t id, bool wanted)
    {
        auto const entry = transactions.extract({client, id});
        if (entry.empty())
        {
            return "!ENOENT";
        }
        NaiveTransaction const& transaction = entry.mapped();
        if (!wanted)
        {
            return kDone;
        }
        for (auto const& [path, what] : transaction.seen)
        {
            if (differs(transaction.base, tree, path, what))
            {
                return "!EAGAIN";
            }
        }
        commit(transaction.changes);
        return kDone;
    }

private:
    std::string const kDone = std::string("OK\0", 3);

    NaiveTree& view(int client, std::uint32_t id) { return id == 0 ? tree : transactions.at({client, id}).view; }

    bool may(int client, NaiveNode const& node, std::uint8_t wanted)
    {
        return domain_of[client] == 0 || (allowed_access(node.permissions, domain_of[client]) & wanted) == wanted;
    }
    static std::string nearest(NaiveTree const& in, std::string path)
    {
        while (!in.contains(path))
        {
            path = naive_parent(path);
        }
        return path;
    }
    static std::string names(NaiveTree const& in, std::string const& path)
    {
        std::set<std::string> found;
        for (auto const& [at, node] : in)
        {
            if (at != "/" && naive_parent(at) == path)
            {
                found.insert(at.substr(at.rfind('/') + 1));
            }
        }
        std::string text;
        for (auto const& name : found)
        {
            text += name + std::string(1, '\0');
        }
        return text;
    }
    static bool differs(NaiveTree const& then, NaiveTree const& now, std::string const& path, char what)
    {
        if (then.contains(path) != now.contains(path))
        {
            return true;
        }
        if (!then.contains(path) || what == 'e')
        {
            return false;
        }
        NaiveNode const& old_node = then.at(path);
        NaiveNode const& new_node = now.at(path);
        return what == 'v'   ? old_node.value != new_node.value
               : what == 'p' ? old_node.permissions != new_node.permissions
                             : names(then, path) != names(now, path);
    }
    void note(int client, std::uint32_t id, std::string const& path, char what)
    {
        if (id != 0)
        {
            transactions.at({client, id}).seen.emplace(path, what);
        }
    }
    std::string open(int client, std::string const& path, std::uint8_t wanted, char what, std::uint32_t id)
    {
        NaiveTree& in = view(client, id);
        if (in.contains(path))
        {
            note(client, id, path, what);
            note(client, id, path, domain_of[client] == 0 ? 'e' : 'p');
            return may(client, in[path], wanted) ? "" : "!EACCES";
        }
        std::string const top = nearest(in, path);
        std::size_t const slash = path.find('/', top == "/" ? 1 : top.size() + 1);
        note(client, id, path.substr(0, slash), 'e');
        return may(client, in[top], wanted) ? "!ENOENT" : "!EACCES";
    }
    std::string open_for_change(int client, std::string const& path, std::uint32_t id)
    {
        NaiveTree& in = view(client, id);
        std::string const top = nearest(in, path);
        note(client, id, top, 'p');
        return may(client, in[top], kAccessWrite) ? "" : "!EACCES";
    }
    static void apply(NaiveTree& in, NaiveChange const& change)
    {
        std::string const& path = change.path;
        if (change.kind == 'r')
        {
            std::erase_if(in, [&](auto const& entry) { return naive_below(path, entry.first); });
        }
        else if (change.kind == 'p')
        {
            if (in.contains(path))
            {
                in[path].permissions = change.permissions;
            }
        }
        else
        {
            std::string const top = nearest(in, path);
            PermissionList list = in[top].permissions;
            if (change.creator != 0)
            {
                list.front().domain = change.creator;
            }
            for (std::string at = path; at != top; at = naive_parent(at))
            {
                in[at] = {"", list};
            }
            if (change.kind == 'w')
            {
                in[path].value = change.value;
            }
        }
    }
    std::string perform(int client, NaiveChange const& change, std::uint32_t id)
    {
        if (id == 0)
        {
            commit({change});
        }
        else
        {
            apply(view(client, id), change);
            transactions.at({client, id}).changes.push_back(change);
        }
        return kDone;
    }
    void report(std::string const& path, NaiveTree const& before, bool exact)
    {
        for (auto const& watch : watches)
        {
            bool const concerned = exact ? watch.path == path : naive_below(watch.path, path);
            bool const sees = (before.contains(path) && may(watch.client, before.at(path), kAccessRead)) ||
                              (tree.contains(path) && may(watch.client, tree.at(path), kAccessRead));
            if (concerned && sees)
            {
                events.emplace_back(watch.client, path + "|" + watch.token);
            }
        }
    }
    void commit(std::vector<NaiveChange> const& changes)
    {
        NaiveTree const before = tree;
        std::set<std::string> changed;
        for (auto const& change : changes)
        {
            apply(tree, change);
            changed.insert(change.path);
        }
        std::set<std::string> gone;
        for (auto const& change : changes)
        {
            for (auto const& [at, node] : before)
            {
                if (change.kind == 'r' && naive_below(change.path, at) && !changed.contains(at))
                {
                    gone.insert(at);
                }
            }
        }
        for (auto const& path : changed)
        {
            report(path, before, false);
        }
        for (auto const& path : gone)
        {
            report(path, before, true);
        }
    }
};

} // namespace tessera::store::test
