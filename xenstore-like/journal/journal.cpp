// SPDX-License-Identifier: MIT
// Implements recording and commits of the journal.
#include "journal/journal.hpp"

#include "journal/record.hpp"

namespace tessera::store
{

int Journal::prepare(std::size_t bytes)
{
    constexpr std::size_t kOverhead = 512; // of a record's fixed fields, and of the request that caused it
    int const error = log_->reserve(staged_.size() + bytes + kOverhead);
    if (error != 0)
    {
        ++refused_;
        return ENOSPC;
    }
    return 0;
}

// The same layout that RecordWriter gives, written to its place at once: this record is on the path of every write.
void Journal::change(ChangeView const& change)
{
    if (change.permissions == nullptr && staged_.empty())
    {
        struct [[gnu::packed]] Head
        {
            std::uint32_t length;
            RecordKind kind;
            ChangeKind change;
            std::uint16_t creator;
            std::uint32_t path_length;
        };
        std::uint32_t const tail[2] = {static_cast<std::uint32_t>(change.value.size()), 0};
        auto const path_length = static_cast<std::uint32_t>(change.path.size());
        auto const length = static_cast<std::uint32_t>(sizeof(Head) - 4 + path_length + sizeof tail + tail[0]);
        Head const head{length, RecordKind::Change, change.kind, change.creator, path_length};
        if (char* to = log_->extend(length + sizeof length); to != nullptr)
        {
            std::memcpy(to, &head, sizeof head);
            to += sizeof head;
            std::memcpy(to, change.path.data(), path_length);
            to += path_length;
            std::memcpy(to, &tail[0], sizeof tail[0]);
            to += sizeof tail[0];
            change.value.copy(to, tail[0]);
            std::memcpy(to + tail[0], &tail[1], sizeof tail[1]);
            return;
        }
    }
    RecordWriter record(staged_, RecordKind::Change);
    record.number(static_cast<std::uint8_t>(change.kind));
    record.number(change.creator);
    record.text(change.path);
    record.text(change.value);
    record.permissions(change.permissions == nullptr ? PermissionList() : *change.permissions);
}

void Journal::domain_introduced(std::uint16_t domain, std::uint64_t frame, std::uint32_t port)
{
    RecordWriter record(staged_, RecordKind::Introduced);
    record.number(domain);
    record.number(frame);
    record.number(port);
    record.number(std::uint8_t{0});
}

void Journal::domain_released(std::uint16_t domain)
{
    RecordWriter record(staged_, RecordKind::Released);
    record.number(domain);
}

void Journal::domain_shutdown(std::uint16_t domain, bool shutdown)
{
    RecordWriter record(staged_, RecordKind::Shutdown);
    record.number(domain);
    record.number(static_cast<std::uint8_t>(shutdown));
}

void Journal::domain_target(std::uint16_t domain, std::uint16_t target)
{
    RecordWriter record(staged_, RecordKind::Target);
    record.number(domain);
    record.number(target);
}

void Journal::watch_added(Watch const& watch)
{
    RecordWriter record(staged_, RecordKind::WatchAdded);
    record.number(watch.client->domain);
    record.text(watch.path());
    record.text(watch.token());
    record.number(watch.prefix);
    record.number(watch.depth);
}

void Journal::watch_removed(Watch const& watch)
{
    RecordWriter record(staged_, RecordKind::WatchRemoved);
    record.number(watch.client->domain);
    record.text(watch.path());
    record.text(watch.token());
}

void Journal::watches_reset(std::uint16_t domain)
{
    RecordWriter record(staged_, RecordKind::WatchesReset);
    record.number(domain);
}

void Journal::special_permissions(std::string_view name, PermissionList const& list)
{
    RecordWriter record(staged_, RecordKind::SpecialPermissions);
    record.text(name);
    record.permissions(list);
}

void Journal::quota(bool soft, std::string_view name, std::uint64_t value)
{
    encode_quota(soft, name, value, staged_);
}

void Journal::transaction_numbers(std::uint32_t end)
{
    std::string piece;
    {
        RecordWriter record(piece, RecordKind::TransactionNumbers);
        record.number(end);
    }
    record_alone(piece);
}

// Outside of the commit of any request.
void Journal::record_alone(std::string_view piece)
{
    if (log_->reserve(staged_.size() + piece.size()) == 0)
    {
        log_->append(piece);
        log_->commit();
    }
    else
    {
        ++refused_;
    }
}

void Journal::commit()
{
    if (staged_.empty() && !log_->uncommitted())
    {
        return;
    }
    if (has_request_)
    {
        RecordWriter record(staged_, RecordKind::Request);
        record.number(request_.domain);
        record.number(request_.request_consumer);
        record.number(request_.type);
        record.number(request_.request_id);
        record.number(request_.transaction_id);
    }
    if (staged_.empty())
    {
        log_->commit();
        return;
    }
    if (log_->reserve(staged_.size()) == 0)
    { // prepare() has seen to that
        log_->append(staged_);
        log_->commit();
    }
    else
    {
        log_->roll_back();
        ++refused_;
    }
    staged_.clear();
}

int Journal::ring_attached(std::uint16_t domain, RingPosition const& position)
{
    int const error = cells_.prepare(domain);
    if (error == 0)
    {
        cells_.store(domain, position);
        // Records of an earlier domain with this number must not be taken for this one's.
        ring_piece(RecordKind::RingOutput, domain, position, {});
        ring_piece(RecordKind::RingInput, domain, position, {});
    }
    return error;
}

void Journal::ring_request(std::uint16_t domain, std::uint32_t request_consumer, Request const& request)
{
    request_ = {domain, request_consumer, request.operation, request.request_id, request.transaction_id};
    has_request_ = true;
}

void Journal::ring_piece(RecordKind kind, std::uint16_t domain, RingPosition const& position, std::string_view bytes)
{
    std::string piece;
    {
        RecordWriter record(piece, kind);
        record.number(domain);
        record.number(position.request_consumer);
        record.number(position.response_producer);
        record.text(bytes);
    }
    record_alone(piece);
}

void Journal::ring_output(std::uint16_t domain, RingPosition const& position, std::string_view bytes)
{
    ring_piece(RecordKind::RingOutput, domain, position, bytes);
}

void Journal::ring_input(std::uint16_t domain, RingPosition const& position, std::string_view bytes)
{
    ring_piece(RecordKind::RingInput, domain, position, bytes);
}

void Journal::ring_position(std::uint16_t domain, RingPosition const& position)
{
    cells_.store(domain, position);
}

} // namespace tessera::store
