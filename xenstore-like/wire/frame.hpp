// SPDX-License-Identifier: MIT
// Cuts a byte stream into requests; the only place that reads message headers sent by clients.
#pragma once

#include "wire/protocol.hpp"

namespace tessera::store
{

// One request; the payload points into the bytes it was cut from and lives as long as they do.
struct Request
{
    std::uint32_t operation = 0;
    std::uint32_t request_id = 0;
    std::uint32_t transaction_id = 0;
    std::string_view payload;
};

enum class FrameStatus
{
    Complete,   // `request` and `size` are valid
    Incomplete, // more bytes are needed; `size` is what the message needs in all, or the header's size
    Oversized,  // the header announces more than kPayloadMax: the stream cannot be followed any further
};

struct Frame
{
    FrameStatus status = FrameStatus::Incomplete;
    std::size_t size = kHeaderSize;
    Request request;
};

// Looks at the start of `bytes`. Consumes nothing; the caller advances by `size` when Complete.
Frame next_frame(std::string_view bytes);

// Iterates over the NUL-terminated strings of a payload. A last string without its NUL is not a string.
class StringList
{
public:
    explicit StringList(std::string_view payload) : rest_(payload) {}

    // The next string, without its NUL. False when no terminated string is left.
    bool next(std::string_view& out);

    // What has not been taken yet, terminated or not.
    [[nodiscard]] std::string_view rest() const { return rest_; }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

// The whole payload as exactly one NUL-terminated string; false if there is none or if bytes follow it.
bool single_string(std::string_view payload, std::string_view& out);

// A decimal number as clients send it; false for anything else, also for values beyond 64 bits.
bool parse_number(std::string_view text, std::uint64_t& out);

} // namespace tessera::store
