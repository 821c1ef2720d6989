// SPDX-License-Identifier: MIT
// Small objects: one slab list per size class, pages from the frame allocator. A page that becomes empty is returned.
#include <core/mm/allocator.hpp>

#include <lib/list.hpp>
#include <lib/spinlock.hpp>
#include <port/port.hpp>

#include <array>
#include <bit>

namespace hv
{
namespace
{

// Sizes of objects, chosen so that the page behind the slab's header is used up: 12 KiB of records per domain would be lost
// with powers of two. From 64 on multiples of 64, so that objects are aligned to 64.
inline constexpr std::size_t kSizes[] = {16, 32, 64, 128, 192, 256, 448, 576, 768, 960, 1344, 1984};
inline constexpr unsigned kClasses = sizeof(kSizes) / sizeof(kSizes[0]);
inline constexpr std::size_t kLargest = kSizes[kClasses - 1];
inline constexpr std::size_t kStep = 16;

// The class of an object by its size in steps, rounded up.
consteval auto make_class_table()
{
    std::array<std::uint8_t, kLargest / kStep + 1> table{};
    unsigned index = 0;
    for (std::size_t steps = 0; steps < table.size(); ++steps)
    {
        if (steps * kStep > kSizes[index])
            ++index;
        table[steps] = static_cast<std::uint8_t>(index);
    }
    return table;
}
constexpr auto kClassTable = make_class_table();

// Sits at the start of a slab page; objects follow, aligned to their size (64 at most).
struct alignas(64) Slab
{
    ListLink link;
    void* free = nullptr; // single list through the free objects
    std::uint32_t used = 0;
    std::uint32_t capacity = 0;
};
static_assert(sizeof(Slab) == 64);

struct SizeClass
{
    SpinLock lock{LockRank::HeapClass};
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
    return kClassTable[(bytes + kStep - 1) / kStep];
}

unsigned order_of(std::size_t bytes)
{
    std::size_t const pages = (bytes + kPageSize - 1) >> kPageShift;
    return static_cast<unsigned>(std::countr_zero(std::bit_ceil(pages)));
}

Slab* new_slab(std::size_t size)
{
    Mfn const frame = allocate_frames(0);
    if (frame == kInvalidMfn)
        return nullptr;
    std::byte* const page = port::frame_data(frame);
    Slab* slab = new (page) Slab;
    for (std::size_t offset = sizeof(Slab); offset + size <= kPageSize; offset += size)
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
    std::size_t const size = kSizes[index];
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
    HV_ASSERT(object != nullptr); // a full slab is on no list
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
