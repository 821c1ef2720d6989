// SPDX-License-Identifier: MIT
// Reads the Multiboot 0.6.96 information structure (specification section 3.3).
#include <arch/x86_64/boot/boot_info.hpp>
#include <arch/x86_64/boot/direct_map.hpp>

namespace hv
{
namespace
{

struct Information
{
    std::uint32_t flags, mem_lower, mem_upper, boot_device, command_line, module_count, module_address;
    std::uint32_t symbols[4];
    std::uint32_t map_length, map_address, drives_length, drives_address, config_table, loader_name, apm_table;
    std::uint32_t vbe_control_info, vbe_mode_info;
    std::uint16_t vbe_mode, vbe_interface_segment, vbe_interface_offset, vbe_interface_length;
};

struct [[gnu::packed]] MapEntry
{
    std::uint32_t size; // of what follows
    std::uint64_t start, length;
    std::uint32_t type;
};

struct Module
{
    std::uint32_t start, end, command_line, reserved;
};

enum Flag : std::uint32_t
{
    kBasicMemory = 1u << 0,
    kCommandLine = 1u << 2,
    kModules = 1u << 3,
    kMemoryMap = 1u << 6,
    kLoaderName = 1u << 9,
};

template<typename T>
T const* at(std::uint64_t address)
{
    return direct_map<T const>(MachineAddress{address});
}

void read_memory_map(BootInfo& info, Information const& source)
{
    if ((source.flags & kMemoryMap) != 0)
    {
        std::uint64_t offset = 0;
        while (offset + sizeof(MapEntry) <= source.map_length)
        {
            MapEntry entry;
            __builtin_memcpy(&entry, at<MapEntry>(source.map_address + offset), sizeof(entry));
            info.add_memory(entry.start, entry.length, entry.type);
            offset += std::uint64_t{entry.size} + sizeof(entry.size);
        }
    }
    else if ((source.flags & kBasicMemory) != 0)
    {
        info.add_memory(0, std::uint64_t{source.mem_lower} << 10, MemoryMapEntry::Ram);
        info.add_memory(1ull << 20, std::uint64_t{source.mem_upper} << 10, MemoryMapEntry::Ram);
    }
}

} // namespace

void read_multiboot1(BootInfo& info, std::uint64_t address)
{
    Information const& source = *at<Information>(address);
    info.protocol = 1;
    if ((source.flags & kLoaderName) != 0)
        info.loader_name = info.keep_text(at<char>(source.loader_name));
    if ((source.flags & kCommandLine) != 0)
        info.command_line = info.keep_text(at<char>(source.command_line));
    read_memory_map(info, source);
    if ((source.flags & kModules) != 0)
        for (std::uint32_t i = 0; i < source.module_count; ++i)
        {
            Module const& module = at<Module>(source.module_address)[i];
            info.add_module(module.start, module.end, module.command_line != 0 ? at<char>(module.command_line) : "");
        }
    info.video.kind = VideoInfo::Kind::Text; // multiboot 1 asks for no mode, so the PC is in its 80 by 25 text mode
    info.video.width = 80;
    info.video.height = 25;
    info.video.address = 0xb8000;
}

} // namespace hv
