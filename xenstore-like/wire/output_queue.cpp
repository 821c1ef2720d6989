// SPDX-License-Identifier: MIT
// Implements the encoder: header and payload are appended in one step, and idle memory is given back.
#include "wire/output_queue.hpp"

namespace tessera::store {

void OutputQueue::append(std::uint32_t type, std::uint32_t request_id, std::uint32_t transaction_id,
                         std::string_view first, std::string_view second)
{
    xsd_sockmsg header{};
    header.type = type;
    header.req_id = request_id;
    header.tx_id = transaction_id;
    header.len = static_cast<std::uint32_t>(first.size() + second.size());
    bytes_.append(reinterpret_cast<char const*>(&header), sizeof header);
    bytes_.append(first);
    bytes_.append(second);
}

std::size_t OutputQueue::front_message_size() const
{
    xsd_sockmsg header;
    std::memcpy(&header, bytes_.data() + head_, sizeof header);
    return kHeaderSize + header.len;
}

void OutputQueue::consume(std::size_t count)
{
    head_ += count;
    if (head_ < bytes_.size()) {
        if (head_ > bytes_.size() / 2 && head_ > kKeepCapacity) {
            bytes_.erase(0, head_);
            head_ = 0;
        }
        return;
    }
    clear();
}

void OutputQueue::clear()
{
    bytes_.clear();
    head_ = 0;
    if (bytes_.capacity() > kKeepCapacity) {
        bytes_.shrink_to_fit();
    }
}

}  // namespace tessera::store
