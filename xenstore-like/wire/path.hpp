// SPDX-License-Identifier: MIT
// Checks node paths as clients send them and brings them to their absolute form.
#pragma once

#include "wire/protocol.hpp"

#include <string>

namespace tessera::store
{

inline constexpr std::string_view kDomainRoot = "/local/domain/";
inline constexpr std::string_view kIntroduceWatch = "@introduceDomain";
inline constexpr std::string_view kReleaseWatch = "@releaseDomain";

// A valid absolute node path, or one of the two special watch names.
// `text` points at the client's bytes, or into the scratch string where a relative path had to be completed.
// `prefix` is how many characters were put in front: what an event must leave out for a relative watch.
struct NodePath
{
    std::string_view text;
    std::size_t prefix = 0;

    [[nodiscard]] bool special() const { return !text.empty() && text.front() == '@'; }
};

// True for '/' and for "/a/b": allowed characters, no empty component, no slash at the end.
bool valid_absolute_path(std::string_view path);

// Checks `path`, completing a relative one with the domain's own directory.
// Returns 0 or EINVAL. Special names are refused here; see resolve_watch_path.
int resolve_path(std::string_view path, std::uint16_t domain, std::string& scratch, NodePath& out);

// The same, but leaves the check of the characters to the caller: all names in the tree are valid, so a path that
// leads to a node needs none. Whoever does not find the node must ask valid_absolute_path().
int complete_path(std::string_view path, std::uint16_t domain, std::string& scratch, NodePath& out);

// The same for watches, which also take special names: '@' and allowed characters. Only @introduceDomain and
// @releaseDomain ever fire.
int resolve_watch_path(std::string_view path, std::uint16_t domain, std::string& scratch, NodePath& out);

// "/local/domain/<domain>"
std::string domain_path(std::uint16_t domain);

// The path without its last component: "/a/b" gives "/a", "/a" gives "/".
std::string_view parent_path(std::string_view path);

// Number of components: 0 for "/".
std::size_t path_depth(std::string_view path);

// True if `path` is `ancestor` itself or lies below it.
bool is_same_or_below(std::string_view ancestor, std::string_view path);

} // namespace tessera::store
