// SPDX-License-Identifier: MIT
// Implements the journal's files: recovery, snapshots and their succession.
#include "journal/journal.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <sys/file.h>
#include <unistd.h>

namespace tessera::store
{

namespace
{

// The numbers N of the files "<kind>.N" in `directory`.
std::vector<std::uint64_t> numbers_of(std::string const& directory, std::string_view kind)
{
    std::vector<std::uint64_t> numbers;
    for (auto const& entry : std::filesystem::directory_iterator(directory))
    {
        std::string const name = entry.path().filename().string();
        std::uint64_t number = 0;
        if (name.starts_with(std::string(kind) + ".") &&
            parse_number(std::string_view(name).substr(kind.size() + 1), number))
        {
            numbers.push_back(number);
        }
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
}

bool write_all(int fd, std::string_view bytes)
{
    while (!bytes.empty())
    {
        ssize_t const written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno != EINTR)
        {
            return false;
        }
        bytes.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
    return true;
}

} // namespace

Journal::Journal(std::string directory) : directory_(std::move(directory))
{
    std::error_code error;
    std::filesystem::create_directories(directory_, error);
    std::string const lock = directory_ + "/lock";
    lock_ = FileDescriptor(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!lock_.valid())
    {
        throw std::runtime_error("cannot use the state directory " + directory_ + ": " + std::strerror(errno));
    }
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
    {
        throw std::runtime_error("another store daemon uses the state directory " + directory_);
    }
    if (int const code = cells_.open(directory_ + "/rings"); code != 0)
    {
        throw std::runtime_error("cannot map " + directory_ + "/rings: " + std::strerror(code));
    }
    for (char const* const kind : {"snapshot", "journal"})
    {
        for (std::uint64_t const number : numbers_of(directory_, kind))
        {
            number_ = std::max(number_, number);
        }
    }
}

Journal::~Journal() = default;

std::string Journal::file(char const* kind, std::uint64_t number) const
{
    return directory_ + "/" + kind + "." + std::to_string(number);
}

void Journal::replay(std::string_view bytes, Store& store, RecoveredRings& rings, std::size_t& records)
{
    while (!bytes.empty())
    {
        RecordReader record(bytes);
        if (!record.valid())
        {
            throw std::runtime_error("the state in " + directory_ + " is damaged after record " +
                                     std::to_string(records) +
                                     "; move the directory away to start with an empty store");
        }
        ++records;
        if (record.kind() == RecordKind::Released)
        {
            RecordReader copy = record;
            rings.erase(copy.number<std::uint16_t>());
        }
        if (!restore_record(store, record))
        {
            decode_ring(record, rings);
        }
    }
}

std::size_t Journal::recover(Store& store, RecoveredRings& rings)
{
    auto const snapshots = numbers_of(directory_, "snapshot");
    std::size_t records = 0;
    if (snapshots.empty())
    {
        return 0;
    }
    number_ = snapshots.back();
    std::ostringstream text;
    text << std::ifstream(file("snapshot", number_), std::ios::binary).rdbuf();
    replay(text.view(), store, rings, records);
    std::uint64_t last = number_;
    for (std::uint64_t const number : numbers_of(directory_, "journal"))
    {
        if (number < number_)
        {
            continue;
        }
        std::string bytes;
        int const error = MappedLog::read(file("journal", number), bytes);
        if (error == EINVAL && number > number_)
        {
            continue; // killed while it was being created: nothing was committed to it
        }
        if (error != 0)
        {
            throw std::runtime_error("cannot read " + file("journal", number) + ": " + std::strerror(error));
        }
        replay(bytes, store, rings, records);
        last = number;
    }
    number_ = last;
    for (auto const& [id, domain] : store.domains())
    {
        rings[id].position = cells_.load(id);
        domain.client->output.clear();
        domain.client->missed_events = false;
    }
    return records;
}

void Journal::start(Store const& store, RecoveredRings const& rings)
{
    std::string records;
    for (auto const& [domain, ring] : rings)
    {
        encode_ring(domain, ring, records);
    }
    std::uint64_t const last = number_;
    bool const have_earlier = !numbers_of(directory_, "snapshot").empty();
    if (begin_snapshot(store, records))
    {
        if (continue_snapshot(store, static_cast<std::size_t>(-1)) || have_earlier)
        {
            return;
        }
        throw std::runtime_error("no room for a snapshot in " + directory_);
    }
    if (!have_earlier)
    {
        throw std::runtime_error("no room for the journal in " + directory_ + ": " + std::strerror(errno));
    }
    if (int const error = log_->resume(file("journal", last)); error != 0)
    {
        throw std::runtime_error("cannot go on with " + file("journal", last) + ": " + std::strerror(error));
    }
    record_alone(records);
}

// Starts a new journal and a snapshot of the instant before it. The old journal is kept until the snapshot is
// complete, so at every instant some snapshot and the journals after it hold everything.
bool Journal::begin_snapshot(Store const& store, std::string_view rings)
{
    std::uint64_t const next = number_ + 1;
    auto fresh = std::make_unique<MappedLog>();
    FileDescriptor out(::open(file("unfinished", next).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!out.valid())
    {
        return false;
    }
    if (int const error = fresh->create(file("journal", next)); error != 0)
    {
        errno = error;
        return false;
    }
    if (int const error = fresh->reserve(rings.size()); error != 0)
    {
        errno = error;
        return false;
    }
    fresh->append(rings);
    fresh->commit();
    log_ = std::move(fresh);
    number_ = next;
    snapshot_file_ = std::move(out);
    snapshot_bytes_ = 0;
    encoder_ = std::make_unique<SnapshotEncoder>(store);
    return true;
}

// True when the snapshot is complete and in place. A snapshot that cannot be written is given up and tried again
// when the journal has grown further; nothing is lost by that.
bool Journal::continue_snapshot(Store const& store, std::size_t budget)
{
    snapshot_buffer_.clear();
    bool const complete = encoder_->step(store, budget, snapshot_buffer_);
    snapshot_bytes_ += snapshot_buffer_.size();
    bool const written = write_all(snapshot_file_.get(), snapshot_buffer_);
    snapshot_buffer_.shrink_to_fit();
    if (written && !complete)
    {
        return false;
    }
    bool const placed =
        written && ::rename(file("unfinished", number_).c_str(), file("snapshot", number_).c_str()) == 0;
    snapshot_file_ = FileDescriptor();
    encoder_.reset();
    if (placed)
    {
        remove_older(number_);
    }
    else
    {
        ++refused_;
        ::unlink(file("unfinished", number_).c_str());
    }
    return placed;
}

void Journal::remove_older(std::uint64_t number)
{
    for (char const* const kind : {"snapshot", "journal", "unfinished"})
    {
        for (std::uint64_t const old : numbers_of(directory_, kind))
        {
            if (old < number)
            {
                ::unlink(file(kind, old).c_str());
            }
        }
    }
}

bool Journal::maintain_snapshot(Store const& store)
{
    if (encoder_ == nullptr)
    {
        if (log_->size() < std::max(kCompactAbove, snapshot_bytes_ * 2))
        {
            return false;
        }
        std::string rings;
        if (ring_source_)
        {
            ring_source_(rings);
        }
        if (!begin_snapshot(store, rings))
        {
            return false;
        }
    }
    continue_snapshot(store, kNodesPerStep);
    return encoder_ != nullptr;
}

void encode_ring(std::uint16_t domain, RecoveredRing const& ring, std::string& out)
{
    for (auto const& [kind, piece] :
         {std::pair{RecordKind::RingOutput, &ring.output}, {RecordKind::RingInput, &ring.input}})
    {
        if (piece->valid)
        {
            RecordWriter record(out, kind);
            record.number(domain);
            record.number(piece->position.request_consumer);
            record.number(piece->position.response_producer);
            record.text(piece->bytes);
        }
    }
    if (ring.has_request)
    {
        RecordWriter record(out, RecordKind::Request);
        record.number(domain);
        record.number(ring.request_consumer);
        record.number(ring.type);
        record.number(ring.request_id);
        record.number(ring.transaction_id);
    }
}

bool decode_ring(RecordReader& record, RecoveredRings& rings)
{
    auto const domain = record.number<std::uint16_t>();
    if (record.kind() == RecordKind::Request)
    {
        auto& ring = rings[domain];
        ring.has_request = true;
        ring.request_consumer = record.number<std::uint32_t>();
        ring.type = record.number<std::uint32_t>();
        ring.request_id = record.number<std::uint32_t>();
        ring.transaction_id = record.number<std::uint32_t>();
        return true;
    }
    if (record.kind() != RecordKind::RingOutput && record.kind() != RecordKind::RingInput)
    {
        return false;
    }
    auto& ring = rings[domain];
    auto& piece = record.kind() == RecordKind::RingOutput ? ring.output : ring.input;
    piece.position.request_consumer = record.number<std::uint32_t>();
    piece.position.response_producer = record.number<std::uint32_t>();
    piece.bytes = record.text();
    piece.valid = record.valid();
    return true;
}

} // namespace tessera::store
