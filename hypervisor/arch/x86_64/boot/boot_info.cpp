// SPDX-License-Identifier: MIT
// The parts of reading the loader's information that both multiboot versions share.
#include <arch/x86_64/boot/boot_info.hpp>
#include <arch/x86_64/boot/direct_map.hpp>
#include <lib/log.hpp>

#include <string_view>

namespace hv
{
namespace
{

constexpr std::uint32_t kMagic1 = 0x2badb002;
constexpr std::uint32_t kMagic2 = 0x36d76289;

constinit BootInfo the_boot_info{};

// GRUB 1.9x and 2 give only what the user wrote after the file's name; other loaders begin with the name.
bool names_images(std::string_view loader)
{
    constexpr std::string_view kGrub = "GRUB ";
    std::size_t const at = loader.find(kGrub);
    bool const modern = at != std::string_view::npos && at + kGrub.size() < loader.size() &&
                        loader[at + kGrub.size()] >= '1' && loader[at + kGrub.size()] <= '9';
    return !modern;
}

char const* skip_word(char const* line)
{
    while (*line != '\0' && *line != ' ')
        ++line;
    while (*line == ' ')
        ++line;
    return line;
}

} // namespace

BootInfo& boot_info()
{
    return the_boot_info;
}

char const* BootInfo::keep_text(char const* source)
{
    char* const copy = text + text_used;
    std::size_t const room = sizeof(text) - text_used;
    if (source == nullptr || room < 2)
        return "";
    std::size_t length = 0;
    while (source[length] != '\0' && length + 1 < room)
        ++length;
    for (std::size_t i = 0; i < length; ++i)
        copy[i] = source[i];
    copy[length] = '\0';
    text_used += length + 1;
    return copy;
}

void BootInfo::add_memory(std::uint64_t start, std::uint64_t length, std::uint32_t type)
{
    if (length == 0 || start + length < start)
        return;
    if (memory_map_count == kMaxMemoryMap)
    {
        log_warning("memory map has more than {} entries, ignoring {x}+{x}", kMaxMemoryMap, start, length);
        return;
    }
    memory_map[memory_map_count++] = {start, length, type};
}

void BootInfo::add_module(std::uint64_t start, std::uint64_t end, char const* line)
{
    if (end < start || module_count == kMaxModules)
    {
        log_warning("ignoring boot module {} at {x}..{x}", module_count, start, end);
        return;
    }
    modules[module_count++] = {MachineAddress{start}, end - start, keep_text(line)};
}

bool read_boot_information(BootInfo& info, std::uint32_t magic, std::uint64_t address)
{
    info.loader_name = "unknown loader";
    info.command_line = "";
    if (magic == kMagic1)
        read_multiboot1(info, address);
    else if (magic == kMagic2)
        read_multiboot2(info, address);
    if (names_images(info.loader_name))
    {
        info.command_line = skip_word(info.command_line);
        for (std::uint32_t i = 0; i < info.module_count; ++i)
            info.modules[i].command_line = skip_word(info.modules[i].command_line);
    }
    return magic == kMagic1 || magic == kMagic2;
}

} // namespace hv
