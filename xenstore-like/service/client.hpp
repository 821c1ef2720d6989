// SPDX-License-Identifier: MIT
// The store's view of one connected client: who it is, what it has open, and what it is still to be told.
#pragma once

#include "transaction/transaction.hpp"
#include "watch/watch.hpp"
#include "wire/output_queue.hpp"

#include <array>
#include <memory>
#include <optional>

namespace tessera::store
{

// Requests by kind, and how many of them failed.
struct Counters
{
    std::array<std::uint64_t, kOperationCount> operations{};
    std::uint64_t errors = 0;
};

// Created by Store::connect and owned by the Store until Store::disconnect. The transport moves bytes only.
struct Client : Counters
{
    std::uint32_t id = 0;
    std::uint16_t domain = 0;
    bool privileged = false;             // domain 0: exempt from permissions and quotas
    bool socket = false;                 // a local client: not recorded in the journal
    bool recovered = false;              // was connected to an earlier daemon, whose transactions it may still name
    bool dirty = false;                  // listed as having new output
    bool missed_events = false;          // some watch has `missed` set
    std::optional<std::uint16_t> target; // a domain whose rights it shares
    OutputQueue output;
    std::vector<std::unique_ptr<Transaction>> transactions;
    Watch* watches = nullptr;
    std::size_t watch_count = 0;
    void* transport = nullptr; // the connection that serves this client

    [[nodiscard]] Transaction* transaction(std::uint32_t wanted) const
    {
        for (auto const& candidate : transactions)
        {
            if (candidate->id() == wanted)
            {
                return candidate.get();
            }
        }
        return nullptr;
    }
};

} // namespace tessera::store
