// SPDX-License-Identifier: MIT
// An array of plain values that doubles when it is full: most domains use a small part of their limits.
#pragma once

#include <core/mm/allocator.hpp>

#include <cstdint>
#include <type_traits>

namespace hv
{

template<typename T>
class GrowingArray
{
    static_assert(std::is_trivially_copyable_v<T>);

public:
    GrowingArray() = default;
    GrowingArray(GrowingArray const&) = delete;
    GrowingArray& operator=(GrowingArray const&) = delete;
    ~GrowingArray() { clear(); }

    [[nodiscard]] std::uint32_t capacity() const { return capacity_; }
    T& operator[](std::uint32_t index) { return items_[index]; }

    // Makes room for `count` elements; new ones are zero. False when memory is out.
    [[nodiscard]] bool reserve(std::uint32_t count)
    {
        if (count <= capacity_)
            return true;
        std::uint32_t grown = capacity_ != 0 ? capacity_ : 4;
        while (grown < count)
            grown *= 2;
        auto* const items = static_cast<T*>(heap_allocate(grown * sizeof(T)));
        if (items == nullptr)
            return false;
        if (capacity_ != 0)
            __builtin_memcpy(static_cast<void*>(items), items_, capacity_ * sizeof(T));
        clear();
        items_ = items;
        capacity_ = grown;
        return true;
    }

    void clear()
    {
        if (items_ != nullptr)
            heap_free(items_, capacity_ * sizeof(T));
        items_ = nullptr;
        capacity_ = 0;
    }

private:
    T* items_ = nullptr;
    std::uint32_t capacity_ = 0;
};

} // namespace hv
