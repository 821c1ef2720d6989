// SPDX-License-Identifier: MIT
// Turns the firmware's memory map, which may be unsorted and overlapping, into one that is neither.
#include <arch/x86_64/boot/memory_map.hpp>
#include <lib/log.hpp>

namespace hv
{
namespace
{

// Which type wins where two entries overlap.
unsigned restriction(std::uint32_t type)
{
    switch (type)
    {
    case MemoryMapEntry::Ram: return 0;
    case MemoryMapEntry::AcpiReclaimable: return 1;
    case MemoryMapEntry::AcpiNvs: return 2;
    case MemoryMapEntry::Reserved: return 3;
    default: return 4;
    }
}

// The smallest boundary of any entry above `position`, and the type in force between them (0: a hole).
std::uint64_t next_boundary(std::span<MemoryMapEntry const> map, std::uint64_t position, std::uint32_t& type)
{
    std::uint64_t next = ~0ull;
    bool covered = false;
    type = 0;
    for (MemoryMapEntry const& entry : map)
    {
        std::uint64_t const end = entry.start + entry.length;
        if (entry.start > position && entry.start < next)
            next = entry.start;
        if (end > position && end < next)
            next = end;
        if (entry.start <= position && position < end && (!covered || restriction(entry.type) > restriction(type)))
        {
            type = entry.type;
            covered = true;
        }
    }
    return next;
}

constinit BootInfo scratch{};

} // namespace

void sanitise_memory_map(BootInfo& info, std::uint64_t limit)
{
    scratch.memory_map_count = 0;
    std::uint64_t position = 0;
    std::uint64_t left_out = 0;
    std::uint32_t type = 0;
    for (std::uint64_t next; (next = next_boundary(info.memory(), position, type)) != ~0ull; position = next)
    {
        std::uint64_t const end = type == MemoryMapEntry::Ram && next > limit ? limit : next;
        left_out += type == MemoryMapEntry::Ram && next > limit ? next - (position > limit ? position : limit) : 0;
        if (type == 0 || end <= position)
            continue;
        MemoryMapEntry* const last =
            scratch.memory_map_count != 0 ? &scratch.memory_map[scratch.memory_map_count - 1] : nullptr;
        if (last != nullptr && last->type == type && last->start + last->length == position)
            last->length = end - last->start;
        else
            scratch.add_memory(position, end - position, type);
    }
    info.memory_map_count = scratch.memory_map_count;
    for (std::uint32_t i = 0; i < scratch.memory_map_count; ++i)
        info.memory_map[i] = scratch.memory_map[i];
    if (left_out != 0)
        log_info("{} MiB of memory above {} MiB stay unused", left_out >> 20, limit >> 20);
}

} // namespace hv
