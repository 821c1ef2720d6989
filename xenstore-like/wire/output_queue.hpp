// SPDX-License-Identifier: MIT
// Holds the encoded replies and events of one client until its transport has taken them.
#pragma once

#include "wire/protocol.hpp"

#include <cstring>
#include <string>

namespace tessera::store {

class OutputQueue {
public:
    // Appends one message whose payload is `first` followed by `second`. The sum is at most kPayloadMax.
    void append(std::uint32_t type, std::uint32_t request_id, std::uint32_t transaction_id, std::string_view first,
                std::string_view second = {});

    [[nodiscard]] bool empty() const { return head_ == bytes_.size(); }
    [[nodiscard]] std::size_t size() const { return bytes_.size() - head_; }
    [[nodiscard]] std::string_view pending() const { return std::string_view(bytes_).substr(head_); }

    // Size of the first whole message, header included; only valid at a message boundary and when not empty.
    [[nodiscard]] std::size_t front_message_size() const;

    // Forgets the first `count` bytes: the transport has sent them.
    void consume(std::size_t count);
    void clear();

    // Takes bytes of an earlier daemon that were encoded but not sent (recovery and live update).
    void restore(std::string_view bytes) { bytes_.append(bytes); }

private:
    static constexpr std::size_t kKeepCapacity = 4096;  // an idle client holds no more than this

    std::string bytes_;
    std::size_t head_ = 0;
};

}  // namespace tessera::store
