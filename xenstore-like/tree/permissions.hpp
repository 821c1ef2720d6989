// SPDX-License-Identifier: MIT
// Interns permission lists: nodes hold a small number, equal lists are stored once, and a dead domain's rights
// disappear from every node at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tessera::store
{

inline constexpr std::uint8_t kAccessNone = 0;
inline constexpr std::uint8_t kAccessRead = 1;
inline constexpr std::uint8_t kAccessWrite = 2;

struct Permission
{
    std::uint16_t domain = 0;
    std::uint8_t access = kAccessNone;

    bool operator==(Permission const&) const = default;
};

// The first entry names the owner and what every domain that is not listed may do; the others name single domains.
using PermissionList = std::vector<Permission>;
using PermissionId = std::uint32_t;

// Reads "r5", "b0", "n7" and "w1"; false for anything else.
bool parse_permission(std::string_view text, Permission& out);
std::string format_permission(Permission const& permission);

// What `domain` (or the domain that it acts for) may do by this list. Owners may do everything.
std::uint8_t allowed_access(PermissionList const& list, std::uint16_t domain);

// Takes a dead domain's rights out of a list: what it owned belongs to domain 0, its own entries vanish.
void forget_rights(PermissionList& list, std::uint16_t domain);

// Reference-counted set of lists. Every node that stores an id owns one reference to it.
class PermissionPool
{
public:
    // Returns the id of `list` (not empty) with one reference added for the caller.
    PermissionId intern(PermissionList const& list);

    void retain(PermissionId id) { ++entries_[id].references; }
    void release(PermissionId id);

    [[nodiscard]] PermissionList const& list(PermissionId id) const { return entries_[id].list; }
    [[nodiscard]] std::uint16_t owner(PermissionId id) const { return entries_[id].list.front().domain; }

    // Takes every right away from a dead domain: what it owned belongs to domain 0, its own entries vanish.
    // Costs as much as there are lists that mention the domain, however many nodes use them.
    void forget_domain(std::uint16_t domain);

    [[nodiscard]] std::size_t size() const { return by_hash_.size(); }

private:
    struct Entry
    {
        PermissionList list;
        std::uint32_t references = 0;
    };

    void index(PermissionId id);
    void remove_from_index(PermissionId id);

    std::vector<Entry> entries_;
    std::vector<PermissionId> free_;
    std::unordered_multimap<std::size_t, PermissionId> by_hash_;
    std::unordered_map<std::uint16_t, std::vector<PermissionId>> by_domain_;
};

} // namespace tessera::store
