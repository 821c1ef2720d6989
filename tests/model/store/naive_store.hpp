// SPDX-License-Identifier: MIT
// The store's semantics in the plainest form: a map from paths to nodes, copied whole for each transaction. It shares
// no code with the tree, the transactions or the watch index that it checks.
#pragma once

#include "naive_tree.hpp"

#include <algorithm>

namespace tessera::store::test
{

// Clients are numbered; domain 0 is privileged, and each other domain has at most one client. Replies are payloads, "!NAME"
// for errors; events are collected as (client, "path|token") in their order.
class NaiveStore
{
public:
    std::map<int, std::uint16_t> domain_of; // connected clients
    std::map<int, std::uint16_t> target_of; // whose rights a client has besides its own
    std::set<std::uint16_t> shut_down;
    std::map<std::string, PermissionList> special{{"@introduceDomain", {{0, kAccessNone}}},
                                                  {"@releaseDomain", {{0, kAccessNone}}}};
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
    // Without the generation in front, which the model does not know.
    std::string directory_part(int client, std::string const& path, std::size_t offset, std::uint32_t id)
    {
        std::string const all = directory(client, path, id);
        return all.starts_with("!") ? all : all.substr(std::min(offset, all.size())) + std::string(1, '\0');
    }
    std::string get_permissions(int client, std::string const& path, std::uint32_t id)
    {
        if (special.contains(path))
        {
            return allows(client, special[path], kAccessRead) ? listed(special[path]) : "!EACCES";
        }
        std::string const error = open(client, path, kAccessRead, 'p', id);
        return error.empty() ? listed(view(client, id)[path].permissions) : error;
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
        if (special.contains(path))
        {
            if (domain_of[client] != 0)
            {
                return "!EACCES";
            }
            special[path] = list;
            return kDone;
        }
        std::string const error = open(client, path, kAccessWrite, 'p', id);
        if (!error.empty())
        {
            return error;
        }
        std::uint16_t const owner = view(client, id)[path].permissions.front().domain;
        bool const owns = owner == domain_of[client] || (target_of.contains(client) && owner == target_of[client]);
        if (domain_of[client] != 0 && (!owns || list.front().domain != owner))
        {
            return owns ? "!EPERM" : "!EACCES";
        }
        return perform(client, {'p', path, "", list, domain_of[client]}, id);
    }
    static auto same_as(int client, std::string const& path, std::string const& token)
    {
        return [=](NaiveWatch const& watch) {
            return watch.client == client && watch.path == path && watch.token == token;
        };
    }
    std::string watch(int client, NaivePath const& path, std::string const& token, std::size_t depth)
    {
        if (std::any_of(watches.begin(), watches.end(), same_as(client, path.absolute, token)))
        {
            return "!EEXIST";
        }
        watches.push_back({client, path.absolute, token, path.prefix, depth});
        tell(watches.back(), path.absolute);
        return kDone;
    }
    std::string unwatch(int client, std::string const& path, std::string const& token)
    {
        return std::erase_if(watches, same_as(client, path, token)) != 0 ? kDone : "!ENOENT";
    }
    std::string reset_watches(int client)
    {
        forget_client(client);
        return kDone;
    }
    std::string start(int client)
    {
        transactions[{client, next_transaction}] = {tree, tree, {}, {}, {}};
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
        for (auto const& change : transaction.changes)
        {
            for (auto const& permission : change.permissions)
            {
                if (transaction.ended.contains(permission.domain))
                {
                    return "!EAGAIN";
                }
            }
        }
        commit(transaction.changes);
        return kDone;
    }

    // The client that a domain has now, or -1.
    int client_of(std::uint16_t domain) const
    {
        auto const found = std::find_if(domain_of.begin(), domain_of.end(),
                                        [&](auto const& entry) { return entry.second == domain && domain != 0; });
        return found == domain_of.end() ? -1 : found->first;
    }
    // `client` is the number that the domain's client gets if it has none.
    std::string introduce(std::uint16_t domain, int client)
    {
        if (client_of(domain) < 0)
        {
            domain_of[client] = domain;
            report_special("@introduceDomain");
        }
        return kDone;
    }
    std::string release(std::uint16_t domain)
    {
        if (client_of(domain) < 0)
        {
            return "!ENOENT";
        }
        end_domain(domain);
        report_special("@releaseDomain");
        return kDone;
    }
    std::string resume(std::uint16_t domain)
    {
        shut_down.erase(domain);
        return client_of(domain) < 0 ? "!ENOENT" : kDone;
    }
    std::string set_target(std::uint16_t domain, std::uint16_t target)
    {
        if (client_of(domain) < 0 || client_of(target) < 0)
        {
            return "!ENOENT";
        }
        target_of[client_of(domain)] = target;
        return kDone;
    }
    // What the hypervisor reports: one domain has gone or has shut down.
    void ended(std::uint16_t domain, bool gone)
    {
        if (client_of(domain) < 0 || (!gone && !shut_down.insert(domain).second))
        {
            return;
        }
        if (gone)
        {
            end_domain(domain);
        }
        report_special("@releaseDomain");
    }

private:
    std::string const kDone = std::string("OK\0", 3);

    static std::string listed(PermissionList const& list)
    {
        std::string text;
        for (auto const& permission : list)
        {
            text += format_permission(permission) + std::string(1, '\0');
        }
        return text;
    }
    void tell(NaiveWatch const& watch, std::string const& path)
    {
        events.emplace_back(watch.client, path.substr(watch.prefix) + "|" + watch.token);
    }
    void report_special(std::string const& name)
    {
        for (auto const& watch : watches)
        {
            if (watch.path == name && allows(watch.client, special[name], kAccessRead))
            {
                tell(watch, name);
            }
        }
    }
    void forget_client(int client)
    {
        std::erase_if(watches, [&](auto const& watch) { return watch.client == client; });
        std::erase_if(transactions, [&](auto const& entry) { return entry.first.first == client; });
    }
    static void forget_rights(PermissionList& list, std::uint16_t domain)
    {
        if (list.front().domain == domain)
        {
            list.front().domain = 0;
        }
        list.erase(
            std::remove_if(list.begin() + 1, list.end(), [&](auto const& entry) { return entry.domain == domain; }),
            list.end());
    }
    // Its nodes go, those in its own directory first, and every right that was given to it.
    void end_domain(std::uint16_t domain)
    {
        int const client = client_of(domain);
        forget_client(client);
        domain_of.erase(client);
        target_of.erase(client);
        std::erase_if(target_of, [&](auto const& entry) { return entry.second == domain; });
        shut_down.erase(domain);
        std::string const home = "/local/domain/" + std::to_string(domain);
        for (bool const inside : {true, false})
        {
            std::vector<std::string> tops;
            for (auto const& [path, node] : tree)
            {
                bool const below =
                    std::any_of(tops.begin(), tops.end(), [&](auto const& top) { return naive_below(top, path); });
                if (naive_below(home, path) == inside && node.permissions.front().domain == domain && !below &&
                    path != "/")
                {
                    tops.push_back(path);
                }
            }
            for (auto const& top : tops)
            {
                commit({{'r', top, "", {}, 0}});
            }
        }
        auto const forget = [&](NaiveTree& in) {
            for (auto& [path, node] : in)
            {
                forget_rights(node.permissions, domain);
            }
        };
        forget(tree);
        for (auto& [key, transaction] : transactions)
        {
            transaction.ended.insert(domain);
            forget(transaction.base);
            forget(transaction.view);
        }
        for (auto& [name, list] : special)
        {
            forget_rights(list, domain);
        }
    }

    NaiveTree& view(int client, std::uint32_t id) { return id == 0 ? tree : transactions.at({client, id}).view; }

    bool allows(int client, PermissionList const& list, std::uint8_t wanted)
    {
        std::uint8_t access = allowed_access(list, domain_of[client]);
        if (target_of.contains(client))
        {
            access |= allowed_access(list, target_of[client]);
        }
        return domain_of[client] == 0 || (access & wanted) == wanted;
    }
    bool may(int client, NaiveNode const& node, std::uint8_t wanted)
    {
        return allows(client, node.permissions, wanted);
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
    static std::size_t components(std::string const& path)
    {
        return path == "/" ? 0 : static_cast<std::size_t>(std::count(path.begin(), path.end(), '/'));
    }
    void report(std::string const& path, NaiveTree const& before, bool exact)
    {
        for (auto const& watch : watches)
        {
            bool const concerned =
                exact ? watch.path == path
                      : naive_below(watch.path, path) && components(path) - components(watch.path) <= watch.depth;
            bool const sees = (before.contains(path) && may(watch.client, before.at(path), kAccessRead)) ||
                              (tree.contains(path) && may(watch.client, tree.at(path), kAccessRead));
            if (concerned && sees)
            {
                tell(watch, path);
            }
        }
    }
    // Each changed node is reported once, in the order of the changes; before a removed one, what was watched below it.
    void commit(std::vector<NaiveChange> const& changes)
    {
        NaiveTree const before = tree;
        std::set<std::string> changed;
        std::set<std::string> reported;
        for (auto const& change : changes)
        {
            apply(tree, change);
            changed.insert(change.path);
        }
        for (auto const& change : changes)
        {
            for (auto const& [at, node] : before)
            {
                if (change.kind == 'r' && naive_below(change.path, at) && !changed.contains(at) &&
                    reported.insert(at).second)
                {
                    report(at, before, true);
                }
            }
            if (reported.insert(change.path).second)
            {
                report(change.path, before, false);
            }
        }
    }
};

} // namespace tessera::store::test
