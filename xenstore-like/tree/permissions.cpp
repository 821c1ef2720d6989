// SPDX-License-Identifier: MIT
// Implements permission lists and their pool.
#include "tree/permissions.hpp"

#include <algorithm>
#include <charconv>

namespace tessera::store
{

namespace
{

std::size_t hash_list(PermissionList const& list)
{
    std::uint64_t hash = list.size();
    for (auto const& permission : list)
    {
        hash = (hash ^ (std::uint64_t{permission.domain} << 8 | permission.access)) * 0x9e3779b97f4a7c15ULL;
        hash ^= hash >> 29;
    }
    return hash;
}

constexpr std::string_view kAccessLetters = "nrwb";

} // namespace

bool parse_permission(std::string_view text, Permission& out)
{
    if (text.size() < 2)
    {
        return false;
    }
    std::size_t const access = kAccessLetters.find(text.front());
    auto const* end = text.data() + text.size();
    auto const parsed = std::from_chars(text.data() + 1, end, out.domain);
    if (access == std::string_view::npos || parsed.ec != std::errc() || parsed.ptr != end)
    {
        return false;
    }
    out.access = static_cast<std::uint8_t>(access);
    return true;
}

std::string format_permission(Permission const& permission)
{
    return kAccessLetters[permission.access & 3] + std::to_string(permission.domain);
}

std::uint8_t allowed_access(PermissionList const& list, std::uint16_t domain)
{
    if (list.front().domain == domain)
    {
        return kAccessRead | kAccessWrite;
    }
    for (std::size_t i = 1; i < list.size(); ++i)
    {
        if (list[i].domain == domain)
        {
            return list[i].access;
        }
    }
    return list.front().access;
}

PermissionId PermissionPool::intern(PermissionList const& list)
{
    auto const [first, last] = by_hash_.equal_range(hash_list(list));
    for (auto it = first; it != last; ++it)
    {
        if (entries_[it->second].list == list)
        {
            retain(it->second);
            return it->second;
        }
    }
    PermissionId id;
    if (free_.empty())
    {
        id = static_cast<PermissionId>(entries_.size());
        entries_.emplace_back();
    }
    else
    {
        id = free_.back();
        free_.pop_back();
    }
    entries_[id].list = list;
    entries_[id].references = 1;
    index(id);
    return id;
}

void PermissionPool::release(PermissionId id)
{
    auto& entry = entries_[id];
    if (--entry.references == 0)
    {
        remove_from_index(id);
        entry.list = {};
        free_.push_back(id);
    }
}

void PermissionPool::index(PermissionId id)
{
    auto const& list = entries_[id].list;
    by_hash_.emplace(hash_list(list), id);
    for (auto const& permission : list)
    {
        if (permission.domain != 0)
        {
            auto& ids = by_domain_[permission.domain];
            if (ids.empty() || ids.back() != id)
            {
                ids.push_back(id);
            }
        }
    }
}

void PermissionPool::remove_from_index(PermissionId id)
{
    auto const& list = entries_[id].list;
    auto const [first, last] = by_hash_.equal_range(hash_list(list));
    auto const found = std::find_if(first, last, [id](auto const& slot) { return slot.second == id; });
    if (found != last)
    {
        by_hash_.erase(found);
    }
    for (auto const& permission : list)
    {
        auto const domain = by_domain_.find(permission.domain);
        if (domain != by_domain_.end())
        {
            std::erase(domain->second, id);
            if (domain->second.empty())
            {
                by_domain_.erase(domain);
            }
        }
    }
}

void forget_rights(PermissionList& list, std::uint16_t domain)
{
    if (list.front().domain == domain)
    {
        list.front().domain = 0;
    }
    list.erase(std::remove_if(list.begin() + 1, list.end(), [&](auto const& entry) { return entry.domain == domain; }),
               list.end());
}

void PermissionPool::forget_domain(std::uint16_t domain)
{
    auto const found = by_domain_.find(domain);
    if (found == by_domain_.end() || domain == 0)
    {
        return;
    }
    auto const ids = found->second;
    for (PermissionId const id : ids)
    {
        remove_from_index(id);
        forget_rights(entries_[id].list, domain);
        index(id);
    }
}

} // namespace tessera::store
