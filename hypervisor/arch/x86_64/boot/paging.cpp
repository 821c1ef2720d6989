// SPDX-License-Identifier: MIT
// Builds the hypervisor's part of all address spaces and loads the root without a guest half.
#include <arch/x86_64/boot/direct_map.hpp>
#include <arch/x86_64/boot/memory_map.hpp>
#include <arch/x86_64/boot/page_builder.hpp>
#include <arch/x86_64/boot/paging.hpp>
#include <arch/x86_64/cpu/descriptors.hpp>
#include <arch/x86_64/cpu/features.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <core/mm/pte.hpp>
#include <lib/bug.hpp>

#include <cstring>

extern "C" char image_start[], text_end[], sealed_start[], rodata_end[], image_end[];

namespace hv
{
namespace
{

constexpr std::uint64_t kFrameRecordBytes = 24;
constexpr std::uint64_t kLargePage = 2ull << 20;
constexpr std::uint64_t kSmallDeviceBytes = 4 * kLargePage; // mapped with 4 KiB pages; the rest with 2 MiB pages

MachineAddress root;
MachineAddress m2p_start;
MachineAddress trampoline_tables; // four pages below 4 GiB: L4 to L1
std::uint32_t m2p_chunks;
std::uint64_t next_small_device = layout::kDevices;
std::uint64_t next_large_device = layout::kDevices + kSmallDeviceBytes;

std::uint64_t round_up(std::uint64_t value, std::uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

std::uint64_t address_of(char const* symbol)
{
    return reinterpret_cast<std::uint64_t>(symbol);
}

void map_image(PageBuilder& builder)
{
    auto map = [&](char const* from, char const* to, Protection protection) {
        builder.map(address_of(from), image_address(from), address_of(to) - address_of(from), protection);
    };
    builder.set_largest_page(kPageSize);
    map(image_start, text_end, Protection::Execute);
    map(text_end, rodata_end, Protection::ReadOnly);
    map(rodata_end, image_end, Protection::ReadWrite);
    builder.set_largest_page(~0ull);
}

void map_direct(PageBuilder& builder, std::uint64_t start, std::uint64_t end, Protection protection)
{
    if (start < end)
        builder.map(layout::kDirectMap + start, MachineAddress{start}, end - start, protection);
}

// RAM and ACPI areas; code and read-only data of ours only read-only.
void map_memory(PageBuilder& builder)
{
    std::uint64_t const protected_start = image_address(image_start).raw();
    std::uint64_t const protected_end = image_address(sealed_start).raw();
    for (MemoryMapEntry const& entry : boot_info().memory())
    {
        if (entry.type != MemoryMapEntry::Ram && entry.type != MemoryMapEntry::AcpiReclaimable &&
            entry.type != MemoryMapEntry::AcpiNvs)
            continue;
        std::uint64_t const start = round_up(entry.start, kPageSize);
        std::uint64_t const end = (entry.start + entry.length) & kPageMask;
        if (start > protected_start || end < protected_end)
        {
            map_direct(builder, start, end, Protection::ReadWrite);
            continue;
        }
        map_direct(builder, start, protected_start, Protection::ReadWrite);
        map_direct(builder, protected_start, protected_end, Protection::ReadOnly);
        map_direct(builder, protected_end, end, Protection::ReadWrite);
    }
}

// Tables that must exist before the first user: per-CPU regions, devices, windows.
void reserve_tables(PageBuilder& builder)
{
    for (std::uint64_t offset = 0; offset < kMaxCpus * layout::kCpuStride; offset += kLargePage)
        builder.table(layout::kPerCpu + offset, 1);
    for (std::uint64_t offset = 0; offset < kSmallDeviceBytes; offset += kLargePage)
        builder.table(layout::kDevices + offset, 1);
    builder.table(layout::window(0), 1);
}

// One contiguous block: an array of 2 MiB chunks that the M2P export can name one by one.
void build_m2p(PageBuilder& builder)
{
    std::uint64_t const bytes = round_up(max_frame().raw() * sizeof(std::uint64_t), kLargePage);
    m2p_start = boot_allocate(bytes, kLargePage);
    m2p_chunks = static_cast<std::uint32_t>(bytes / kLargePage);
    std::memset(direct_map(m2p_start), 0xff, bytes);
    builder.map(layout::kM2p, m2p_start, bytes, Protection::UserReadOnly);
}

void build_frame_table(PageBuilder& builder)
{
    std::uint64_t const bytes = round_up(max_frame().raw() * kFrameRecordBytes, kLargePage);
    builder.map(layout::kFrameTable, boot_allocate(bytes, kLargePage), bytes, Protection::ReadWrite);
}

void* map_area(MachineAddress start, std::uint64_t size, Protection protection)
{
    std::uint64_t const unit = size >= kLargePage ? kLargePage : kPageSize;
    std::uint64_t& next = size >= kLargePage ? next_large_device : next_small_device;
    std::uint64_t const limit = size >= kLargePage ? layout::kDevicesEnd : layout::kDevices + kSmallDeviceBytes;
    std::uint64_t const offset = start.raw() & (unit - 1);
    std::uint64_t const bytes = round_up(offset + size, unit);
    if (bytes > limit - next)
        HV_BUG("no room for device mappings");
    std::uint64_t const address = next;
    next += bytes;
    PageBuilder builder(root);
    builder.map(address, start - offset, bytes, protection);
    return reinterpret_cast<void*>(address + offset);
}

} // namespace

void build_page_tables()
{
    root = boot_allocate(kPageSize);
    trampoline_tables = boot_allocate(4 * kPageSize);
    PageBuilder builder(root);
    map_memory(builder);
    map_image(builder);
    reserve_tables(builder);
    builder.map(layout::window(0) + layout::kReservedGdtPage * kPageSize, image_address(reserved_gdt_page()), kPageSize,
                Protection::ReadWrite);
    write_cr3(root.raw());
    allow_high_boot_memory();
    build_m2p(builder);
    build_frame_table(builder);
}

std::uint64_t idle_root()
{
    return root.raw();
}

void hypervisor_l4_slots(std::uint64_t out[16])
{
    auto const* l4 = direct_map<std::uint64_t const>(root);
    for (unsigned i = 0; i < 16; ++i)
        out[i] = l4[layout::kFirstSlot + i];
}

std::uint32_t m2p_chunk_count()
{
    return m2p_chunks;
}

Mfn m2p_chunk(std::uint32_t index)
{
    HV_ASSERT(index < m2p_chunks);
    return to_mfn(m2p_start + index * kLargePage);
}

std::uint64_t* m2p_writable()
{
    return direct_map<std::uint64_t>(m2p_start);
}

void map_pages(std::uint64_t address, MachineAddress target, std::uint64_t size, Protection protection)
{
    PageBuilder builder(root);
    builder.set_largest_page(kPageSize);
    builder.map(address, target, size, protection);
}

MachineAddress build_trampoline_root(MachineAddress page)
{
    auto* tables = direct_map<std::uint64_t>(trampoline_tables);
    constexpr std::uint64_t kFlags = pte::kPresent | pte::kWritable | pte::kAccessed;
    hypervisor_l4_slots(tables + layout::kFirstSlot);
    for (unsigned level = 4; level > 1; --level)
    {
        std::uint64_t const next = trampoline_tables.raw() + (5 - level) * kPageSize;
        tables[(4 - level) * 512 + pte::index(page.raw(), level)] = next | kFlags;
    }
    tables[3 * 512 + pte::index(page.raw(), 1)] = page.raw() | kFlags | pte::kDirty;
    return trampoline_tables;
}

void* map_device(MachineAddress start, std::uint64_t size)
{
    return map_area(start, size, Protection::Device);
}

void* map_firmware(MachineAddress start, std::uint64_t size)
{
    return map_area(start, size, Protection::ReadOnly);
}

bool translate(std::uint64_t address, MachineAddress& out)
{
    return PageBuilder(root).translate(address, out);
}

} // namespace hv
