// SPDX-License-Identifier: MIT
// Holds the encoded replies and events of one client until its transport has taken them.
#pragma once

#include "wire/protocol.hpp"

#include <cstring>
#include <memory>

namespace tessera::store
{

class OutputQueue
{
public:
    // Appends one message whose payload is `first` followed by `second`. The sum is at most kPayloadMax.
    void append(std::uint32_t type, std::uint32_t request_id, std::uint32_t transaction_id, std::string_view first,
                std::string_view second = {})
    {
        xsd_sockmsg const header{type, request_id, transaction_id,
                                 static_cast<std::uint32_t>(first.size() + second.size())};
        char* to = extend(sizeof header + header.len);
        std::memcpy(to, &header, sizeof header);
        to += sizeof header;
        std::memcpy(to, first.data(), first.size());
        if (!second.empty())
        {
            std::memcpy(to + first.size(), second.data(), second.size());
        }
    }

    [[nodiscard]] bool empty() const { return head_ == end_; }
    [[nodiscard]] std::size_t size() const { return end_ - head_; }
    [[nodiscard]] std::string_view pending() const { return {data_.get() + head_, size()}; }

    // Size of the first whole message, header included; only valid at a message boundary and when not empty.
    [[nodiscard]] std::size_t front_message_size() const;

    // Forgets the first `count` bytes: the transport has sent them.
    void consume(std::size_t count)
    {
        head_ += count;
        if (head_ == end_)
        {
            clear();
        }
    }
    void clear()
    {
        head_ = 0;
        end_ = 0;
        if (capacity_ > keep_)
        {
            data_.reset();
            capacity_ = 0;
        }
    }

    // How much memory an empty queue may hold on to.
    void keep(std::size_t bytes) { keep_ = bytes; }

    // Takes bytes of an earlier daemon that were encoded but not sent (recovery and live update).
    void restore(std::string_view bytes) { bytes.copy(extend(bytes.size()), bytes.size()); }

private:
    static constexpr std::size_t kFirstCapacity = 128;

    char* extend(std::size_t count)
    {
        if (capacity_ - end_ < count)
        {
            make_room(count);
        }
        end_ += count;
        return data_.get() + end_ - count;
    }
    void make_room(std::size_t count);

    std::unique_ptr<char[]> data_;
    std::size_t keep_ = 1024;
    std::size_t capacity_ = 0;
    std::size_t head_ = 0; // what lies before it has been sent
    std::size_t end_ = 0;
};

} // namespace tessera::store
