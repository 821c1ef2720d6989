// SPDX-License-Identifier: MIT
// Describes one change of the tree: what transactions replay, the journal records and watches react to.
#pragma once

#include "tree/permissions.hpp"

#include <string>
#include <vector>

namespace tessera::store
{

enum class ChangeKind : std::uint8_t
{
    Write = 1,          // sets a value; creates the node and its missing parents
    MakeDirectory = 2,  // creates the node and its missing parents, leaves an existing one alone
    Remove = 3,         // removes the node and everything below it
    SetPermissions = 4, // replaces the permission list of an existing node
};

// Refers to the caller's bytes.
struct ChangeView
{
    ChangeKind kind;
    std::string_view path;
    std::string_view value;                      // Write
    PermissionList const* permissions = nullptr; // SetPermissions
    std::uint16_t creator = 0;                   // who owns what is created; 0 lets new nodes keep their parent's owner
};

// A list of changes with its own storage: all texts lie in one string.
class ChangeList
{
public:
    struct Entry
    {
        ChangeKind kind;
        bool repeated; // an earlier change in the list has the same path
        std::uint16_t creator;
        std::uint32_t start;
        std::uint32_t path_length;
        std::uint32_t value_length;
        std::uint32_t permissions; // index into the lists, for SetPermissions
    };

    void append(ChangeView const& change, bool repeated)
    {
        if (entries_.empty())
        { // room for the usual transaction at once, instead of growing to it step by step
            entries_.reserve(16);
            bytes_.reserve(16 * 48);
        }
        entries_.push_back({change.kind, repeated, change.creator, static_cast<std::uint32_t>(bytes_.size()),
                            static_cast<std::uint32_t>(change.path.size()),
                            static_cast<std::uint32_t>(change.value.size()),
                            static_cast<std::uint32_t>(lists_.size())});
        bytes_ += change.path;
        bytes_ += change.value;
        if (change.permissions != nullptr)
        {
            lists_.push_back(*change.permissions);
            list_bytes_ += change.permissions->size() * sizeof(Permission);
        }
        removes_ = removes_ || change.kind == ChangeKind::Remove;
    }

    [[nodiscard]] ChangeView view(Entry const& entry) const
    {
        std::string_view const text = std::string_view(bytes_).substr(entry.start);
        return {entry.kind, text.substr(0, entry.path_length), text.substr(entry.path_length, entry.value_length),
                entry.kind == ChangeKind::SetPermissions ? &lists_[entry.permissions] : nullptr, entry.creator};
    }

    [[nodiscard]] std::vector<Entry> const& entries() const { return entries_; }
    // What the list takes, in memory and in the journal, rounded up.
    [[nodiscard]] std::size_t bytes() const { return bytes_.size() + entries_.size() * 64 + list_bytes_; }
    [[nodiscard]] bool removes() const { return removes_; }
    [[nodiscard]] std::vector<PermissionList> const& permission_lists() const { return lists_; }

private:
    std::vector<Entry> entries_;
    std::string bytes_;
    std::vector<PermissionList> lists_;
    std::size_t list_bytes_ = 0;
    bool removes_ = false;
};

} // namespace tessera::store
