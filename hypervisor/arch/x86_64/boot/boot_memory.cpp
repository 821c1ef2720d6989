// SPDX-License-Identifier: MIT
// The allocator that exists before there is an allocator: takes memory off the top of the machine's RAM ranges.
#include <arch/x86_64/boot/direct_map.hpp>
#include <arch/x86_64/boot/memory_map.hpp>
#include <lib/bug.hpp>
#include <lib/log.hpp>

#include <cstring>

extern "C" char image_start[], image_end[];

namespace hv
{
namespace
{

constexpr std::uint64_t kLowMemoryEnd = 1ull << 20;
constexpr std::uint64_t kFourGigabytes = 1ull << 32;

constinit FreeRanges free_memory{};
std::uint64_t ram_bytes;
std::uint64_t ram_end;
MachineAddress low_page;
std::uint64_t reachable_end = kFourGigabytes;

void add_range(std::uint64_t start, std::uint64_t end)
{
    start = (start + kPageSize - 1) & kPageMask;
    end &= kPageMask;
    if (start >= end)
        return;
    if (free_memory.count == FreeRanges::kMax)
    {
        log_warning("memory is too fragmented, leaving {x}..{x} unused", start, end);
        return;
    }
    free_memory.ranges[free_memory.count++] = {MachineAddress{start}, end - start};
}

void insert_range(std::uint32_t index, std::uint64_t start, std::uint64_t end)
{
    if (free_memory.count == FreeRanges::kMax)
        HV_BUG("memory is too fragmented");
    for (std::uint32_t i = free_memory.count++; i > index; --i)
        free_memory.ranges[i] = free_memory.ranges[i - 1];
    free_memory.ranges[index] = {MachineAddress{start}, end - start};
}

void erase_range(std::uint32_t index)
{
    --free_memory.count;
    for (std::uint32_t i = index; i < free_memory.count; ++i)
        free_memory.ranges[i] = free_memory.ranges[i + 1];
}

// Takes [start, end), rounded outwards to pages, out of the free ranges.
void reserve(std::uint64_t start, std::uint64_t end)
{
    start &= kPageMask;
    end = (end + kPageSize - 1) & kPageMask;
    for (std::uint32_t i = 0; i < free_memory.count; ++i)
    {
        std::uint64_t const from = free_memory.ranges[i].start.raw();
        std::uint64_t const to = free_memory.ranges[i].end().raw();
        if (end <= from || start >= to)
            continue;
        erase_range(i);
        if (end < to)
            insert_range(i, end, to);
        if (from < start)
            insert_range(i, from, start);
        else if (end >= to)
            --i; // nothing is left of this one; unsigned wrap at 0 is undone by ++i
    }
}

// The highest place with room for `bytes`.
bool find_room(std::uint64_t bytes, std::uint64_t alignment, MachineAddress& place)
{
    for (std::uint32_t i = free_memory.count; i-- != 0;)
    {
        std::uint64_t const from = free_memory.ranges[i].start.raw();
        std::uint64_t const to = free_memory.ranges[i].end().raw();
        std::uint64_t const top = to < reachable_end ? to : reachable_end;
        if (top < from || top - from < bytes)
            continue;
        place = MachineAddress{(top - bytes) & ~(alignment - 1)};
        if (place.raw() >= from)
            return true;
    }
    return false;
}

bool overlaps_module(BootInfo const& info, std::uint64_t start, std::uint64_t end)
{
    for (BootModule const& module : info.module_list())
        if (module.start.raw() < end && start < module.start.raw() + module.length)
            return true;
    return false;
}

void choose_low_page(BootInfo const& info)
{
    for (MemoryMapEntry const& entry : info.memory())
    {
        std::uint64_t end = entry.start + entry.length;
        if (entry.type != MemoryMapEntry::Ram || entry.start >= kLowMemoryEnd)
            continue;
        end = (end < kLowMemoryEnd ? end : kLowMemoryEnd) & kPageMask;
        for (; end >= entry.start + 2 * kPageSize && end > 0x2000; end -= kPageSize)
            if (!overlaps_module(info, end - kPageSize, end))
            {
                low_page = MachineAddress{end - kPageSize};
                break;
            }
    }
}

} // namespace

std::uint64_t FreeRanges::bytes() const
{
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < count; ++i)
        sum += ranges[i].size;
    return sum;
}

void start_boot_memory(BootInfo const& info)
{
    for (MemoryMapEntry const& entry : info.memory())
    {
        if (entry.type != MemoryMapEntry::Ram)
            continue;
        std::uint64_t const end = entry.start + entry.length;
        ram_bytes += entry.length;
        ram_end = end > ram_end ? end : ram_end;
        add_range(entry.start > kLowMemoryEnd ? entry.start : kLowMemoryEnd, end);
    }
    reserve(image_address(image_start).raw(), image_address(image_end).raw());
    for (BootModule const& module : info.module_list())
        reserve(module.start.raw(), module.start.raw() + module.length);
    choose_low_page(info);
}

bool boot_memory_has(std::uint64_t bytes)
{
    MachineAddress ignored;
    std::uint64_t const rounded = (bytes + kPageSize - 1) & kPageMask;
    return find_room(rounded, kPageSize, ignored);
}

MachineAddress boot_reserve(std::uint64_t bytes, std::uint64_t alignment)
{
    bytes = (bytes + kPageSize - 1) & kPageMask;
    MachineAddress start;
    if (!find_room(bytes, alignment, start))
    {
        log_error("Out of memory: {} bytes are needed to start. Give the machine more memory or raise \"mem=\".",
                  bytes);
        HV_BUG("no boot memory");
    }
    reserve(start.raw(), start.raw() + bytes);
    return start;
}

MachineAddress boot_allocate(std::uint64_t bytes, std::uint64_t alignment)
{
    MachineAddress const start = boot_reserve(bytes, alignment);
    std::memset(direct_map(start), 0, (bytes + kPageSize - 1) & kPageMask);
    return start;
}

void allow_high_boot_memory()
{
    reachable_end = ~0ull;
}

MachineAddress low_memory_page()
{
    return low_page;
}

FreeRanges const& take_free_ranges()
{
    return free_memory;
}

std::uint64_t total_ram_bytes()
{
    return ram_bytes;
}

Mfn max_frame()
{
    return Mfn{ram_end >> kPageShift};
}

bool is_ram(MachineAddress address)
{
    for (MemoryMapEntry const& entry : boot_info().memory())
        if (entry.type == MemoryMapEntry::Ram && address.raw() >= entry.start &&
            address.raw() - entry.start < entry.length)
            return true;
    return false;
}

} // namespace hv
