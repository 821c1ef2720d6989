// SPDX-License-Identifier: MIT
// Everything the boot loader told us, copied out of its memory into one structure of ours.
#pragma once

#include <lib/strong.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace hv
{

// One entry of the firmware's memory map; types as in ACPI 6.4, table 15.1.
struct MemoryMapEntry
{
    enum Type : std::uint32_t
    {
        Ram = 1,
        Reserved = 2,
        AcpiReclaimable = 3,
        AcpiNvs = 4,
        Unusable = 5,
    };
    std::uint64_t start;
    std::uint64_t length;
    std::uint32_t type;
};

struct BootModule
{
    MachineAddress start;
    std::uint64_t length;
    char const* command_line; // without the file's name; in BootInfo::text, never null
};

struct VideoInfo
{
    enum class Kind : std::uint8_t
    {
        None,
        Text,
        LinearFrameBuffer,
    };
    Kind kind;
    std::uint8_t bits_per_pixel;
    std::uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size;
    std::uint16_t width, height; // characters in text mode, else pixels
    std::uint32_t pitch;
    std::uint64_t address;
};

struct BootInfo
{
    static constexpr std::size_t kMaxModules = 16;
    static constexpr std::size_t kMaxMemoryMap = 128;

    std::uint32_t protocol; // 1 or 2: which multiboot
    std::uint32_t module_count;
    std::uint32_t memory_map_count;
    char const* loader_name;
    char const* command_line; // without the image's own name
    BootModule modules[kMaxModules];
    MemoryMapEntry memory_map[kMaxMemoryMap]; // sorted, no overlaps, `mem=` applied: what the control domain may see
    VideoInfo video;
    bool has_rsdp;
    std::uint8_t rsdp[36]; // copy handed over by multiboot2
    std::size_t text_used;
    char text[8192];

    [[nodiscard]] std::span<BootModule const> module_list() const { return {modules, module_count}; }
    [[nodiscard]] std::span<MemoryMapEntry const> memory() const { return {memory_map, memory_map_count}; }

    // Copies NUL-terminated text in; what does not fit is cut. Never returns null.
    char const* keep_text(char const* source);
    void add_memory(std::uint64_t start, std::uint64_t length, std::uint32_t type);
    void add_module(std::uint64_t start, std::uint64_t end, char const* command_line);
};

// Fill `info` from the loader's structure; the magic is what it left in EAX. False when the magic is neither.
bool read_boot_information(BootInfo& info, std::uint32_t magic, std::uint64_t address);
void read_multiboot1(BootInfo& info, std::uint64_t address);
void read_multiboot2(BootInfo& info, std::uint64_t address);

BootInfo& boot_info(); // the one instance, complete before start_machine()

} // namespace hv
