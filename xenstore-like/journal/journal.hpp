// SPDX-License-Identifier: MIT
// Keeps a store's committed state in a directory, so that a daemon which starts there after any kind of end goes on
// where the last one stopped.
//
//   snapshot.N   the state at one instant, complete (written under another name first)
//   journal.N    everything committed after that instant; journal.N+1 follows while snapshot.N+1 is being written
//   rings        how far each domain's ring was served
#pragma once

#include "journal/mapped_log.hpp"
#include "journal/record.hpp"
#include "journal/snapshot.hpp"
#include "transport/ring_ledger.hpp"

#include <functional>
#include <unordered_map>

namespace tessera::store
{

using RecoveredRings = std::unordered_map<std::uint16_t, RecoveredRing>;

class Journal final : public CommitLog, public RingLedger
{
public:
    // Locks `directory`, creating it if needed. Throws std::runtime_error with the cause, also when another daemon
    // uses it.
    explicit Journal(std::string directory);
    ~Journal() override;

    // Brings `store` (empty, without a commit log) to the last committed state. Returns the number of records read;
    // throws std::runtime_error if what is there is damaged.
    std::size_t recover(Store& store, RecoveredRings& rings);

    // Writes a first snapshot, and what is known of the rings, and starts recording. On a full file system it goes
    // on with the journal of the daemon before, which holds all of that; throws std::runtime_error if there is none.
    void start(Store const& store, RecoveredRings const& rings);

    // Asks `source` for the rings' records (encode_ring) whenever a new journal is started.
    void set_ring_source(std::function<void(std::string&)> source) { ring_source_ = std::move(source); }

    // Replaces the journal by a snapshot once it has become long. Does a little at a time; true while there is more
    // to do at once.
    bool maintain(Store const& store)
    {
        bool const nothing = encoder_ == nullptr && log_->size() < kCompactAbove;
        return !nothing && maintain_snapshot(store);
    }

    // Records that a full file system kept from being written; the requests got ENOSPC.
    [[nodiscard]] std::uint64_t refused() const { return refused_; }
    [[nodiscard]] std::size_t journal_bytes() const { return log_->size(); }

    int prepare(std::size_t bytes) override;
    void change(ChangeView const& change) override;
    void domain_introduced(std::uint16_t domain, std::uint64_t frame, std::uint32_t port) override;
    void domain_released(std::uint16_t domain) override;
    void domain_shutdown(std::uint16_t domain, bool shutdown) override;
    void domain_target(std::uint16_t domain, std::uint16_t target) override;
    void watch_added(Watch const& watch) override;
    void watch_removed(Watch const& watch) override;
    void watches_reset(std::uint16_t domain) override;
    void special_permissions(std::string_view name, PermissionList const& list) override;
    void quota(bool soft, std::string_view name, std::uint64_t value) override;
    void transaction_numbers(std::uint32_t end) override;
    void commit() override;

    int ring_attached(std::uint16_t domain, RingPosition const& position) override;
    void ring_request(std::uint16_t domain, std::uint32_t request_consumer, Request const& request) override;
    void ring_request_done() override { has_request_ = false; }
    void ring_output(std::uint16_t domain, RingPosition const& position, std::string_view bytes) override;
    void ring_input(std::uint16_t domain, RingPosition const& position, std::string_view bytes) override;
    void ring_position(std::uint16_t domain, RingPosition const& position) override;

private:
    struct RingRequest
    {
        std::uint16_t domain;
        std::uint32_t request_consumer;
        std::uint32_t type;
        std::uint32_t request_id;
        std::uint32_t transaction_id;
    };

    static constexpr std::size_t kCompactAbove = std::size_t{1} * 1024 * 1024;
    static constexpr std::size_t kNodesPerStep = 256;

    [[nodiscard]] std::string file(char const* kind, std::uint64_t number) const;
    void replay(std::string_view bytes, Store& store, RecoveredRings& rings, std::size_t& records);
    bool begin_snapshot(Store const& store, std::string_view rings);
    bool continue_snapshot(Store const& store, std::size_t budget);
    void remove_older(std::uint64_t number);
    bool maintain_snapshot(Store const& store);
    void record_alone(std::string_view piece);
    void ring_piece(RecordKind kind, std::uint16_t domain, RingPosition const& position, std::string_view bytes);

    std::string directory_;
    FileDescriptor lock_;
    std::unique_ptr<MappedLog> log_ = std::make_unique<MappedLog>();
    RingCells cells_;
    std::string staged_; // records of the commit that is being put together
    RingRequest request_{};
    bool has_request_ = false;
    std::uint64_t number_ = 0;
    std::uint64_t refused_ = 0;
    std::size_t snapshot_bytes_ = 0;
    std::function<void(std::string&)> ring_source_;
    std::unique_ptr<SnapshotEncoder> encoder_;
    FileDescriptor snapshot_file_;
    std::string snapshot_buffer_;
};

// The records of what is under way in a ring; nothing if nothing is.
void encode_ring(std::uint16_t domain, RecoveredRing const& ring, std::string& out);
bool decode_ring(RecordReader& record, RecoveredRings& rings);

} // namespace tessera::store
