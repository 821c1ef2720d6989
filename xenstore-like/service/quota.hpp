// SPDX-License-Identifier: MIT
// Names the limits that keep one guest from using up the store; the defaults are those of the stock daemons.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace tessera::store {

struct Quotas {
    std::uint64_t nodes = 1000;              // nodes that a domain may own
    std::uint64_t watches = 128;             // watches that it may hold
    std::uint64_t transactions = 10;         // transactions that it may have open
    std::uint64_t transaction_nodes = 1024;  // nodes that one transaction may touch
    std::uint64_t memory = 2621440;          // bytes of nodes, watches and unread output
    std::uint64_t value_size = 2048;         // bytes of one node: name, value and permissions
    std::uint64_t permissions = 5;           // entries of one permission list
    std::uint64_t path_length = kDefaultPathLength;
    std::uint64_t path_depth = 64;           // components of one path

    static constexpr std::uint64_t kDefaultPathLength = 2048;
};

struct QuotaName {
    std::string_view name;
    std::string_view meaning;
    std::uint64_t Quotas::*value;
};

inline constexpr std::array<QuotaName, 9> kQuotaNames = {{
    {"nodes", "nodes owned by a domain", &Quotas::nodes},
    {"watches", "watches of a domain", &Quotas::watches},
    {"transactions", "open transactions of a domain", &Quotas::transactions},
    {"transaction-nodes", "nodes touched by one transaction", &Quotas::transaction_nodes},
    {"memory", "bytes held for a domain", &Quotas::memory},
    {"node-size", "bytes of one node", &Quotas::value_size},
    {"node-permissions", "permission entries of one node", &Quotas::permissions},
    {"path-max", "bytes of one path", &Quotas::path_length},
    {"path-depth", "components of one path", &Quotas::path_depth},
}};

}  // namespace tessera::store
