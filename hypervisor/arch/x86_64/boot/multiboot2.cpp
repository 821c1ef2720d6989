// SPDX-License-Identifier: MIT
// Reads the Multiboot2 information structure (specification 2.0, section 3.6): a list of tags.
#include <arch/x86_64/boot/boot_info.hpp>
#include <arch/x86_64/boot/direct_map.hpp>

namespace hv
{
namespace
{

struct Tag
{
    enum Type : std::uint32_t
    {
        End = 0,
        CommandLine = 1,
        LoaderName = 2,
        Module = 3,
        MemoryMap = 6,
        FrameBuffer = 8,
        OldRsdp = 14,
        NewRsdp = 15,
    };
    std::uint32_t type;
    std::uint32_t size;

    [[nodiscard]] char const* text(std::uint32_t offset) const { return reinterpret_cast<char const*>(this) + offset; }
};

struct ModuleTag : Tag
{
    std::uint32_t start, end;
};

struct MemoryMapTag : Tag
{
    std::uint32_t entry_size, entry_version;
};

struct FrameBufferTag : Tag
{
    std::uint64_t address;
    std::uint32_t pitch, width, height;
    std::uint8_t bits_per_pixel, kind;
    std::uint16_t reserved;
    std::uint8_t red_position, red_size, green_position, green_size, blue_position, blue_size;
};

void read_memory_map(BootInfo& info, MemoryMapTag const& tag)
{
    if (tag.entry_size < 20)
        return;
    for (std::uint32_t offset = sizeof(MemoryMapTag); offset + tag.entry_size <= tag.size; offset += tag.entry_size)
    {
        auto const* entry = reinterpret_cast<MemoryMapEntry const*>(tag.text(offset));
        info.add_memory(entry->start, entry->length, entry->type);
    }
}

void read_frame_buffer(BootInfo& info, FrameBufferTag const& tag)
{
    constexpr std::uint8_t kRgb = 1;
    constexpr std::uint8_t kText = 2;
    VideoInfo& video = info.video;
    video.width = static_cast<std::uint16_t>(tag.width);
    video.height = static_cast<std::uint16_t>(tag.height);
    video.pitch = tag.pitch;
    video.address = tag.address;
    video.bits_per_pixel = tag.bits_per_pixel;
    if (tag.kind == kText)
        video.kind = VideoInfo::Kind::Text;
    if (tag.kind != kRgb)
        return;
    video.kind = VideoInfo::Kind::LinearFrameBuffer;
    video.red_position = tag.red_position;
    video.red_size = tag.red_size;
    video.green_position = tag.green_position;
    video.green_size = tag.green_size;
    video.blue_position = tag.blue_position;
    video.blue_size = tag.blue_size;
}

void read_rsdp(BootInfo& info, Tag const& tag)
{
    std::uint32_t const size = tag.size - static_cast<std::uint32_t>(sizeof(Tag));
    if (info.has_rsdp && size <= 20)
        return; // the newer one came first
    __builtin_memcpy(info.rsdp, tag.text(sizeof(Tag)), size < sizeof(info.rsdp) ? size : sizeof(info.rsdp));
    info.has_rsdp = true;
}

void read_tag(BootInfo& info, Tag const& tag)
{
    if (tag.type == Tag::CommandLine)
        info.command_line = info.keep_text(tag.text(sizeof(Tag)));
    else if (tag.type == Tag::LoaderName)
        info.loader_name = info.keep_text(tag.text(sizeof(Tag)));
    else if (tag.type == Tag::Module)
        info.add_module(static_cast<ModuleTag const&>(tag).start, static_cast<ModuleTag const&>(tag).end,
                        tag.text(sizeof(ModuleTag)));
    else if (tag.type == Tag::MemoryMap)
        read_memory_map(info, static_cast<MemoryMapTag const&>(tag));
    else if (tag.type == Tag::FrameBuffer)
        read_frame_buffer(info, static_cast<FrameBufferTag const&>(tag));
    else if (tag.type == Tag::OldRsdp || tag.type == Tag::NewRsdp)
        read_rsdp(info, tag);
}

} // namespace

void read_multiboot2(BootInfo& info, std::uint64_t address)
{
    info.protocol = 2;
    std::uint32_t const total = *direct_map<std::uint32_t const>(MachineAddress{address});
    for (std::uint64_t offset = 8; offset + sizeof(Tag) <= total;)
    {
        Tag const& tag = *direct_map<Tag const>(MachineAddress{address + offset});
        if (tag.type == Tag::End || tag.size < sizeof(Tag))
            break;
        read_tag(info, tag);
        offset += (std::uint64_t{tag.size} + 7) & ~7ull;
    }
}

} // namespace hv
