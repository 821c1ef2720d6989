// SPDX-License-Identifier: MIT
// Small objects: one slab list per power of two, pages from the frame allocator. A page that becomes empty is returned.
#include <core/mm/allocator.hpp>

#include <lib/list.hpp>
#include <port/port.hpp>
#include <lib/spinlock.hpp>

#include <bit>

namespace hv
{
namespace
{

inline constexpr std::size_t kSmallest = 16;
inline constexpr std::size_t kLargest = 2048;
inline constexpr unsigned kClasses = 8; // 16, 32, ... 2048

// Sits at the start of a slab page; objects follow, aligned to their size (64 at most).
struct Slab
{
    ListLink link;
    void* free = nullptr;      // single list through the free objects
    std::uint32_t used = 0;
    std::uint32_t capacity = 0;
};
static_assert(sizeof(Slab) <= 64);

struct SizeClass
{
    SpinLock lock;
    List<Slab, &Slab::link> partial HV_GUARDED_BY(lock);
};

SizeClass* classes()
{
    // Constructed on first use at boot by one CPU: list heads point to themselves, which constant initialisation cannot.
    alignas(SizeClass) static char storage[sizeof(SizeClass) * kClasses];
    static bool ready = false;
    auto* table = reinterpret_cast<SizeClass*>(storage);
    if (!ready)
    {
        for (unsigned i = 0; i < kClasses; ++i)
            new (&table[i]) SizeClass;
        ready = true;
    }
    return table;
}

unsigned class_of(std::size_t bytes)
{
    std::size_t const rounded = std::bit_ceil(bytes < kSmallest ? kSmallest : bytes);
    return static_cast<unsigned>(std::countr_zero(rounded)) - 4;
}

unsigned order_of(std::size_t bytes)
{
    std::size_t const pages = (bytes + kPageSize - 1) >> kPageShift;
    return static_cast<unsigned>(std::countr_zero(std::bit_ceil(pages)));
}

Slab* new_slab(std::size_t size)
{
    std::byte* page = allocate_zeroed_page();
    if (page == nullptr)
        return nullptr;
    Slab* slab = new (page) Slab;
    std::size_t const first = size < 64 ? 64 : size;
    for (std::size_t offset = first; offset + size <= kPageSize; offset += size)
    {
        *reinterpret_cast<void**>(page + offset) = slab->free;
        slab->free = page + offset;
        ++slab->capacity;
    }
    return slab;
}

} // namespace

void* heap_allocate(std::size_t bytes)
{
    if (bytes > kLargest)
    {
        unsigned const order = order_of(bytes);
        Mfn const frame = allocate_frames(order);
        if (frame == kInvalidMfn)
            return nullptr;
        std::byte* block = port::frame_data(frame);
        __builtin_memset(block, 0, kPageSize << order);
        return block;
    }
    unsigned const index = class_of(bytes);
    std::size_t const size = kSmallest << index;
    SizeClass& size_class = classes()[index];
    Guard guard(size_class.lock);
    Slab* slab = size_class.partial.front();
    if (slab == nullptr)
    {
        slab = new_slab(size);
        if (slab == nullptr)
            return nullptr;
        size_class.partial.push_front(*slab);
    }
    void* object = slab->free;
    slab->free = *static_cast<void**>(object);
    if (++slab->used == slab->capacity)
        List<Slab, &Slab::link>::remove(*slab);
    __builtin_memset(object, 0, size);
    return object;
}

void heap_free(void* block, std::size_t bytes)
{
    if (block == nullptr)
        return;
    if (bytes > kLargest)
    {
        free_frames(frame_of(block), order_of(bytes));
        return;
    }
    auto* slab = reinterpret_cast<Slab*>(reinterpret_cast<std::uint64_t>(block) & kPageMask);
    SizeClass& size_class = classes()[class_of(bytes)];
    bool empty = false;
    {
        Guard guard(size_class.lock);
        *static_cast<void**>(block) = slab->free;
        slab->free = block;
        if (slab->used-- == slab->capacity)
            size_class.partial.push_front(*slab);
        empty = slab->used == 0;
        if (empty)
            List<Slab, &Slab::link>::remove(*slab);
    }
    if (empty)
        free_page(reinterpret_cast<std::byte*>(slab));
}

} // namespace hv
