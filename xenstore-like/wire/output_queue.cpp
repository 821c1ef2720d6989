// SPDX-License-Identifier: MIT
// Implements the growth of an output queue.
#include "wire/output_queue.hpp"

#include <algorithm>

namespace tessera::store
{

std::size_t OutputQueue::front_message_size() const
{
    xsd_sockmsg header;
    std::memcpy(&header, data_.get() + head_, sizeof header);
    return kHeaderSize + header.len;
}

// Reuses the space of what was sent if that is at least half, so that a queue which never runs empty stays bounded.
void OutputQueue::make_room(std::size_t count)
{
    std::size_t const wanted = size() + count;
    if (head_ >= capacity_ / 2 && wanted <= capacity_)
    {
        std::memmove(data_.get(), data_.get() + head_, size());
    }
    else
    {
        std::size_t const capacity = std::max({kFirstCapacity, wanted, std::min(capacity_ * 2, wanted * 2)});
        auto fresh = std::make_unique_for_overwrite<char[]>(capacity);
        pending().copy(fresh.get(), size());
        data_ = std::move(fresh);
        capacity_ = capacity;
    }
    end_ -= head_;
    head_ = 0;
}

} // namespace tessera::store
