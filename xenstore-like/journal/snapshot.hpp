// SPDX-License-Identifier: MIT
// Writes a store's state as records, a few at a time: the tree's version is fixed when the snapshot starts, which
// costs nothing, so serving goes on while it is written.
#pragma once

#include "service/store.hpp"

#include <memory>
#include <vector>

namespace tessera::store
{

class SnapshotEncoder
{
public:
    explicit SnapshotEncoder(Store const& store);

    // Appends records for about `budget` nodes or domains to `out`. True when the snapshot is complete.
    bool step(Store const& store, std::size_t budget, std::string& out);

private:
    struct Pending
    {
        Node const* node;
        std::shared_ptr<std::string const> parent; // path of the directory, "" for the root's children
    };

    void encode_node(Pending const& pending, std::string& out);
    static void encode_rest(Store const& store, std::string& out);
    static void encode_domain(Store const& store, std::uint16_t id, std::string& out);

    Tree tree_;
    std::vector<Pending> pending_;
    std::vector<std::uint16_t> domains_;
    bool rest_done_ = false;
};

void encode_quota(bool soft, std::string_view name, std::uint64_t value, std::string& out);

// Carries out one record on a store that is being recovered; false for a kind that is none of the store's.
class RecordReader;
bool restore_record(Store& store, RecordReader& record);

} // namespace tessera::store
