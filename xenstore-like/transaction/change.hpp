// SPDX-License-Identifier: MIT
// Describes one change of the tree: what transactions replay, the journal records and watches react to.
#pragma once

#include "tree/permissions.hpp"

#include <string>

namespace tessera::store {

enum class ChangeKind : std::uint8_t {
    Write = 1,           // sets a value; creates the node and its missing parents
    MakeDirectory = 2,   // creates the node and its missing parents, leaves an existing one alone
    Remove = 3,          // removes the node and everything below it
    SetPermissions = 4,  // replaces the permission list of an existing node
};

// Refers to the caller's bytes.
struct ChangeView {
    ChangeKind kind;
    std::string_view path;
    std::string_view value;                    // Write
    PermissionList const* permissions = nullptr;  // SetPermissions
    std::uint16_t creator = 0;                 // who owns what is created; 0 lets new nodes keep their parent's owner
};

// The same with its own storage.
struct Change {
    ChangeKind kind;
    std::uint16_t creator;
    std::string path;
    std::string value;
    PermissionList permissions;

    explicit Change(ChangeView const& from)
        : kind(from.kind), creator(from.creator), path(from.path), value(from.value),
          permissions(from.permissions == nullptr ? PermissionList() : *from.permissions)
    {
    }

    [[nodiscard]] ChangeView view() const { return {kind, path, value, &permissions, creator}; }
};

}  // namespace tessera::store
