// SPDX-License-Identifier: MIT
// Implements the request parser: header checks and string splitting, without any copying.
#include "wire/frame.hpp"

#include <charconv>
#include <cstring>

namespace tessera::store
{

Frame next_frame(std::string_view bytes)
{
    Frame frame;
    if (bytes.size() < kHeaderSize)
    {
        return frame;
    }
    xsd_sockmsg header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.len > kPayloadMax)
    {
        frame.status = FrameStatus::Oversized;
        return frame;
    }
    frame.size = kHeaderSize + header.len;
    if (bytes.size() < frame.size)
    {
        return frame;
    }
    frame.status = FrameStatus::Complete;
    frame.request = {header.type, header.req_id, header.tx_id, bytes.substr(kHeaderSize, header.len)};
    return frame;
}

bool StringList::next(std::string_view& out)
{
    if (rest_.empty())
    {
        return false;
    }
    auto const* end = static_cast<char const*>(std::memchr(rest_.data(), 0, rest_.size()));
    if (end == nullptr)
    {
        return false;
    }
    auto const length = static_cast<std::size_t>(end - rest_.data());
    out = rest_.substr(0, length);
    rest_.remove_prefix(length + 1);
    return true;
}

bool single_string(std::string_view payload, std::string_view& out)
{
    std::size_t const length = payload.size() - 1;
    if (payload.empty() || std::memchr(payload.data(), 0, payload.size()) != payload.data() + length)
    {
        return false;
    }
    out = payload.substr(0, length);
    return true;
}

bool parse_number(std::string_view text, std::uint64_t& out)
{
    if (text.empty())
    {
        return false;
    }
    char const* const begin = &text.front();
    char const* const end = begin + text.size();
    auto const result = std::from_chars(begin, end, out);
    return result.ec == std::errc() && result.ptr == end;
}

} // namespace tessera::store
