// SPDX-License-Identifier: MIT
// Allocates nodes from slabs of eight-byte size classes, because a general allocator's header and rounding would
// cost a fifth of the store's memory.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

namespace tessera::store
{

class NodePool
{
public:
    NodePool() = default;
    NodePool(NodePool const&) = delete;
    NodePool& operator=(NodePool const&) = delete;

    // Memory for `size` bytes, aligned to eight. Throws std::bad_alloc when there is none.
    void* allocate(std::size_t size);

    // Returns memory that allocate() gave for the same size.
    void free(void* memory, std::size_t size);

    // True if a block of `from` bytes can hold `to` bytes without moving and without waste.
    static bool same_class(std::size_t from, std::size_t to) { return size_class(from) == size_class(to); }

    // Bytes taken from the system.
    [[nodiscard]] std::size_t reserved() const { return reserved_; }

private:
    struct FreeBlock
    {
        FreeBlock* next;
    };

    static constexpr std::size_t kLargest = 512;
    static constexpr std::size_t kSlabSize = std::size_t{64} * 1024;

    static std::size_t size_class(std::size_t size) { return (size + 7) / 8; }

    std::array<FreeBlock*, kLargest / 8 + 1> free_{};
    std::vector<std::unique_ptr<std::byte[]>> slabs_;
    std::byte* next_ = nullptr;
    std::size_t left_ = 0;
    std::size_t reserved_ = 0;
};

} // namespace tessera::store
