// SPDX-License-Identifier: MIT
// Encodes and decodes the records of the journal and of snapshots.
//
// A record is a 32-bit length (of what follows), a kind byte and the kind's fields; numbers are in the machine's
// byte order, because the files never leave the machine; texts carry a 32-bit length.
#pragma once

#include "transaction/change.hpp"

#include <cstring>
#include <string>

namespace tessera::store
{

enum class RecordKind : std::uint8_t
{
    Change = 1,
    Node = 2, // snapshots: path, value, permissions
    Introduced = 3,
    Released = 4,
    Shutdown = 5,
    Target = 6,
    WatchAdded = 7,
    WatchRemoved = 8,
    WatchesReset = 9,
    SpecialPermissions = 10,
    Request = 11,      // a ring's request whose effects belong to the same commit
    RingOutput = 12,   // replies that did not fit into a ring
    RingInput = 13,    // the beginning of a request that is longer than a ring
    End = 14,          // the last record of a complete snapshot
    RingPosition = 15, // live updates: how far a ring was served
    Listener = 16,     // live updates: the descriptor of the listening socket
    Socket = 17,       // live updates: a local client with its descriptor, unread input and unsent output
    SocketWatch = 18,  // live updates: a watch of the local client before
    Quota = 19,
    TransactionNumbers = 20, // those before it may be in use
};

class RecordWriter
{
public:
    RecordWriter(std::string& to, RecordKind kind) : to_(to), start_(to.size())
    {
        number(std::uint32_t{0});
        number(static_cast<std::uint8_t>(kind));
    }
    RecordWriter(RecordWriter const&) = delete;
    RecordWriter& operator=(RecordWriter const&) = delete;
    ~RecordWriter()
    {
        auto const length = static_cast<std::uint32_t>(to_.size() - start_ - sizeof(std::uint32_t));
        std::memcpy(to_.data() + start_, &length, sizeof length);
    }

    template<typename Number>
    void number(Number value)
    {
        static_assert(std::is_integral_v<Number>);
        to_.append(reinterpret_cast<char const*>(&value), sizeof value);
    }
    void text(std::string_view value)
    {
        number(static_cast<std::uint32_t>(value.size()));
        to_.append(value);
    }
    void permissions(PermissionList const& list)
    {
        number(static_cast<std::uint32_t>(list.size()));
        for (auto const& permission : list)
        {
            number(permission.domain);
            number(permission.access);
        }
    }

private:
    std::string& to_;
    std::size_t start_;
};

// Reads fields; after the first one that is not there, valid() is false and every further field is empty.
class RecordReader
{
public:
    // Takes the next record from `bytes`; `bytes` is empty at the end, and valid() false if it is damaged.
    explicit RecordReader(std::string_view& bytes)
    {
        rest_ = bytes;
        auto const length = number<std::uint32_t>();
        valid_ = valid_ && length >= 1 && length <= rest_.size();
        if (valid_)
        {
            bytes.remove_prefix(sizeof length + length);
            rest_ = rest_.substr(0, length);
            kind_ = static_cast<RecordKind>(number<std::uint8_t>());
        }
    }

    [[nodiscard]] bool valid() const { return valid_; }
    [[nodiscard]] RecordKind kind() const { return kind_; }

    template<typename Number>
    Number number()
    {
        Number value{};
        valid_ = valid_ && rest_.size() >= sizeof value;
        if (valid_)
        {
            rest_.copy(reinterpret_cast<char*>(&value), sizeof value);
            rest_.remove_prefix(sizeof value);
        }
        return value;
    }
    std::string_view text()
    {
        auto const length = number<std::uint32_t>();
        valid_ = valid_ && length <= rest_.size();
        std::string_view const value = valid_ ? rest_.substr(0, length) : std::string_view();
        rest_.remove_prefix(value.size());
        return value;
    }
    PermissionList permissions()
    {
        PermissionList list;
        for (auto count = number<std::uint32_t>(); count > 0 && valid_; --count)
        {
            auto const domain = number<std::uint16_t>();
            list.push_back({domain, number<std::uint8_t>()});
        }
        return list;
    }

private:
    std::string_view rest_;
    RecordKind kind_{};
    bool valid_ = true;
};

} // namespace tessera::store
