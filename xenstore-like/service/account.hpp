// SPDX-License-Identifier: MIT
// Keeps what each domain uses, so that quotas are checked without looking at anything but one counter.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace tessera::store
{

struct Account
{
    std::int64_t nodes = 0;
    std::int64_t node_bytes = 0;
    std::int64_t watches = 0;
    std::int64_t watch_bytes = 0;
    std::int64_t transactions = 0;
    std::int64_t transaction_bytes = 0; // what open transactions remember until they end
    bool warned = false;                // its exceeding of a quota, hard or soft, has been reported

    [[nodiscard]] std::int64_t bytes() const { return node_bytes + watch_bytes + transaction_bytes; }
};

// Changes of node counts that a running transaction, or one request, has not committed yet.
class AccountDelta
{
public:
    struct Entry
    {
        std::uint16_t domain;
        std::int64_t nodes;
        std::int64_t bytes;
    };

    void add(std::uint16_t domain, std::int64_t nodes, std::int64_t bytes)
    {
        for (auto& entry : entries_)
        {
            if (entry.domain == domain)
            {
                entry.nodes += nodes;
                entry.bytes += bytes;
                return;
            }
        }
        entries_.push_back({domain, nodes, bytes});
    }

    [[nodiscard]] Entry of(std::uint16_t domain) const
    {
        for (auto const& entry : entries_)
        {
            if (entry.domain == domain)
            {
                return entry;
            }
        }
        return {domain, 0, 0};
    }

    // True if nodes were created or removed, or changed their owner.
    [[nodiscard]] bool moves_nodes() const
    {
        for (auto const& entry : entries_)
        {
            if (entry.nodes != 0)
            {
                return true;
            }
        }
        return false;
    }

    [[nodiscard]] std::vector<Entry> const& entries() const { return entries_; }
    void clear() { entries_.clear(); }

private:
    std::vector<Entry> entries_;
};

class Accounts
{
public:
    Account& of(std::uint16_t domain) { return accounts_[domain]; }

    [[nodiscard]] Account const* find(std::uint16_t domain) const
    {
        auto const found = accounts_.find(domain);
        return found == accounts_.end() ? nullptr : &found->second;
    }

    void apply(AccountDelta const& delta)
    {
        for (auto const& entry : delta.entries())
        {
            auto& account = accounts_[entry.domain];
            account.nodes += entry.nodes;
            account.node_bytes += entry.bytes;
        }
    }

    void forget(std::uint16_t domain) { accounts_.erase(domain); }

    [[nodiscard]] std::unordered_map<std::uint16_t, Account> const& all() const { return accounts_; }

private:
    std::unordered_map<std::uint16_t, Account> accounts_;
};

} // namespace tessera::store
