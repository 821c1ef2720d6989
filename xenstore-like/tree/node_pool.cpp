// SPDX-License-Identifier: MIT
// Implements the slab allocator; with AddressSanitizer every node is an allocation of its own.
#include "tree/node_pool.hpp"

#include <new>

namespace tessera::store
{

namespace
{

#ifdef __SANITIZE_ADDRESS__
constexpr bool kUseSystemAllocator = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kUseSystemAllocator = true;
#else
constexpr bool kUseSystemAllocator = false;
#endif
#else
constexpr bool kUseSystemAllocator = false;
#endif

} // namespace

void* NodePool::allocate(std::size_t size)
{
    std::size_t const index = size_class(size);
    std::size_t const rounded = index * 8;
    if (kUseSystemAllocator || size > kLargest)
    {
        reserved_ += rounded;
        return ::operator new(rounded);
    }
    if (FreeBlock* block = free_[index]; block != nullptr)
    {
        free_[index] = block->next;
        return block;
    }
    if (left_ < rounded)
    {
        if (left_ >= sizeof(FreeBlock))
        {
            auto* rest = new (next_) FreeBlock{free_[left_ / 8]};
            free_[left_ / 8] = rest;
        }
        slabs_.push_back(std::make_unique_for_overwrite<std::byte[]>(kSlabSize));
        next_ = slabs_.back().get();
        left_ = kSlabSize;
        reserved_ += kSlabSize;
    }
    void* const result = next_;
    next_ += rounded;
    left_ -= rounded;
    return result;
}

void NodePool::free(void* memory, std::size_t size)
{
    std::size_t const index = size_class(size);
    if (kUseSystemAllocator || size > kLargest)
    {
        reserved_ -= index * 8;
        ::operator delete(memory);
        return;
    }
    free_[index] = new (memory) FreeBlock{free_[index]};
}

} // namespace tessera::store
