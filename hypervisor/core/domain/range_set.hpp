// SPDX-License-Identifier: MIT
// A set of numbers kept as sorted, disjoint, non-adjacent ranges: permitted I/O ports and I/O memory frames.
#pragma once

#include <lib/result.hpp>
#include <lib/spinlock.hpp>

#include <cstdint>

namespace hv
{

// Bounds are inclusive, so that the whole number space can be named. Every member takes the set's own lock, a leaf lock.
class RangeSet
{
public:
    struct Range
    {
        std::uint64_t first;
        std::uint64_t last;
    };

    RangeSet() = default;
    RangeSet(RangeSet const&) = delete;
    RangeSet& operator=(RangeSet const&) = delete;
    ~RangeSet();

    // Inval when first > last; NoMem leaves the set as it was. Numbers already in (or not in) the set are no error.
    Result<void> add(std::uint64_t first, std::uint64_t last);
    Result<void> remove(std::uint64_t first, std::uint64_t last);
    // Every number of first..last is in the set.
    [[nodiscard]] bool contains(std::uint64_t first, std::uint64_t last) const;
    [[nodiscard]] bool contains(std::uint64_t number) const { return contains(number, number); }
    // At least one number of first..last is in the set.
    [[nodiscard]] bool intersects(std::uint64_t first, std::uint64_t last) const;
    [[nodiscard]] bool empty() const;
    // The first range that ends at or after `from`; false when there is none. For iteration without holding the lock.
    [[nodiscard]] bool next(std::uint64_t from, Range& range) const;

private:
    [[nodiscard]] std::uint32_t find(std::uint64_t number) const HV_REQUIRES(lock_);
    [[nodiscard]] bool reserve(std::uint32_t count) HV_REQUIRES(lock_);
    void replace(std::uint32_t index, std::uint32_t removed, Range const* inserted, std::uint32_t count)
        HV_REQUIRES(lock_);

    mutable SpinLock lock_{LockRank::Ranges};
    Range* ranges_ HV_GUARDED_BY(lock_) = nullptr;
    std::uint32_t count_ HV_GUARDED_BY(lock_) = 0;
    std::uint32_t capacity_ HV_GUARDED_BY(lock_) = 0;
};

} // namespace hv
