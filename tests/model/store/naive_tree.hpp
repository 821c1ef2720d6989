// SPDX-License-Identifier: MIT
// What the naive store is made of: plain copies of everything.
#pragma once

#include "tree/permissions.hpp"

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
    std::set<std::uint16_t> ended;               // domains, while it was open
    std::set<std::pair<std::string, char>> seen; // 'e'xistence, 'v'alue, 'c'hildren, 'p'ermissions
};

struct NaiveWatch
{
    int client;
    std::string path;
    std::string token;
    std::size_t prefix; // characters that a relative path was completed with
    std::size_t depth;
};

// A path as a client writes it, and the absolute one that it means.
struct NaivePath
{
    std::string absolute;
    std::size_t prefix = 0;
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

} // namespace tessera::store::test
