// SPDX-License-Identifier: MIT
// Range sets: binary search, and one splice for both adding and removing.
#include <core/domain/range_set.hpp>

#include <core/mm/allocator.hpp>

namespace hv
{

RangeSet::~RangeSet()
{
    Guard guard(lock_);
    if (ranges_ != nullptr)
        heap_free(ranges_, capacity_ * sizeof(Range));
    ranges_ = nullptr;
}

// Index of the first range whose last number is >= `number`.
std::uint32_t RangeSet::find(std::uint64_t number) const
{
    std::uint32_t low = 0;
    std::uint32_t high = count_;
    while (low < high)
    {
        std::uint32_t const middle = low + (high - low) / 2;
        if (ranges_[middle].last < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool RangeSet::reserve(std::uint32_t count)
{
    if (count <= capacity_)
        return true;
    std::uint32_t const capacity = capacity_ == 0 ? 4 : capacity_ * 2;
    auto* grown = static_cast<Range*>(heap_allocate(capacity * sizeof(Range)));
    if (grown == nullptr)
        return false;
    for (std::uint32_t i = 0; i < count_; ++i)
        grown[i] = ranges_[i];
    if (ranges_ != nullptr)
        heap_free(ranges_, capacity_ * sizeof(Range));
    ranges_ = grown;
    capacity_ = capacity;
    return true;
}

// Room for one range more than before has been reserved.
void RangeSet::replace(std::uint32_t index, std::uint32_t removed, Range const* inserted, std::uint32_t count)
{
    std::uint32_t const tail = count_ - index - removed;
    if (count > removed)
    {
        for (std::uint32_t i = tail; i-- > 0;)
            ranges_[index + count + i] = ranges_[index + removed + i];
    }
    else
    {
        for (std::uint32_t i = 0; i < tail; ++i)
            ranges_[index + count + i] = ranges_[index + removed + i];
    }
    for (std::uint32_t i = 0; i < count; ++i)
        ranges_[index + i] = inserted[i];
    count_ = index + count + tail;
}

Result<void> RangeSet::add(std::uint64_t first, std::uint64_t last)
{
    HV_REQUIRE(first <= last, Errno::Inval);
    Guard guard(lock_);
    HV_REQUIRE(reserve(count_ + 1), Errno::NoMem);
    // Adjacent ranges merge, hence the look one number to the left and right.
    std::uint32_t const begin = find(first == 0 ? 0 : first - 1);
    std::uint32_t end = begin;
    Range merged{first, last};
    while (end < count_ && (ranges_[end].first <= last || ranges_[end].first - 1 == last))
    {
        merged.first = ranges_[end].first < merged.first ? ranges_[end].first : merged.first;
        merged.last = ranges_[end].last > merged.last ? ranges_[end].last : merged.last;
        ++end;
    }
    replace(begin, end - begin, &merged, 1);
    return {};
}

Result<void> RangeSet::remove(std::uint64_t first, std::uint64_t last)
{
    HV_REQUIRE(first <= last, Errno::Inval);
    Guard guard(lock_);
    HV_REQUIRE(reserve(count_ + 1), Errno::NoMem);
    std::uint32_t const begin = find(first);
    std::uint32_t end = begin;
    Range kept[2];
    std::uint32_t count = 0;
    while (end < count_ && ranges_[end].first <= last)
    {
        if (ranges_[end].first < first)
            kept[count++] = {ranges_[end].first, first - 1};
        if (ranges_[end].last > last)
            kept[count++] = {last + 1, ranges_[end].last};
        ++end;
    }
    replace(begin, end - begin, kept, count);
    return {};
}

bool RangeSet::contains(std::uint64_t first, std::uint64_t last) const
{
    Guard guard(lock_);
    std::uint32_t const index = find(first);
    return index < count_ && ranges_[index].first <= first && last <= ranges_[index].last;
}

bool RangeSet::intersects(std::uint64_t first, std::uint64_t last) const
{
    Guard guard(lock_);
    std::uint32_t const index = find(first);
    return index < count_ && ranges_[index].first <= last;
}

bool RangeSet::empty() const
{
    Guard guard(lock_);
    return count_ == 0;
}

bool RangeSet::next(std::uint64_t from, Range& range) const
{
    Guard guard(lock_);
    std::uint32_t const index = find(from);
    if (index == count_)
        return false;
    range = ranges_[index];
    return true;
}

} // namespace hv
