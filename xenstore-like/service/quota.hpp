// SPDX-License-Identifier: MIT
// Names the limits that keep one guest from using up the store; the defaults are those of the stock daemons.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tessera::store
{

struct Quotas
{
    std::uint64_t nodes = 1000;             // nodes that a domain may own
    std::uint64_t watches = 128;            // watches that it may hold
    std::uint64_t transactions = 10;        // transactions that it may have open
    std::uint64_t transaction_nodes = 1024; // nodes that one transaction may touch
    std::uint64_t memory = 2621440;         // bytes of nodes, watches and unread output
    std::uint64_t value_size = 2048;        // bytes of one node: name, value and permissions
    std::uint64_t permissions = 5;          // entries of one permission list
    std::uint64_t path_length = kDefaultPathLength;
    std::uint64_t path_depth = 64;       // components of one path
    std::uint64_t outstanding = 20;      // requests under way; a ring never has more than one, see ring_connection.hpp
    std::uint64_t soft_memory = 2097152; // bytes above which a domain is reported, once

    static constexpr std::uint64_t kDefaultPathLength = 2048;
};

struct QuotaName
{
    std::string_view name;
    std::string_view meaning;
    std::uint64_t Quotas::* value;
};

// In the order in which they are shown; path-depth is ours, the stock daemons have the others.
inline constexpr std::array<QuotaName, 10> kQuotaNames = {{
    {"nodes", "Nodes per domain", &Quotas::nodes},
    {"watches", "Watches per domain", &Quotas::watches},
    {"transactions", "Transactions per domain", &Quotas::transactions},
    {"outstanding", "Outstanding requests per domain", &Quotas::outstanding},
    {"transaction-nodes", "Max. number of accessed nodes per transaction", &Quotas::transaction_nodes},
    {"memory", "Total memory per domain (error level)", &Quotas::memory},
    {"node-size", "Max. size of a node", &Quotas::value_size},
    {"path-max", "Max. length of a node path", &Quotas::path_length},
    {"path-depth", "Max. number of components of a node path", &Quotas::path_depth},
    {"permissions", "Max. number of permissions per node", &Quotas::permissions},
}};

inline constexpr std::array<QuotaName, 1> kSoftQuotaNames = {{
    {"memory", "Total memory per domain (warning level)", &Quotas::soft_memory},
}};

} // namespace tessera::store
