// SPDX-License-Identifier: MIT
// Computing the layout of a new PV domain.
#include <core/builder/layout.hpp>

namespace hv::builder
{
namespace
{

constexpr std::uint64_t kRunAlignment = 4ull << 20;
constexpr std::uint64_t kSlack = 512ull << 10;

constexpr std::uint64_t round_up(std::uint64_t value, std::uint64_t alignment)
{
    return (value + alignment - 1) & ~(alignment - 1);
}

// Bytes that one table of the level maps.
constexpr std::uint64_t span_of(unsigned level)
{
    return 1ull << (kPageShift + 9 * level);
}

std::uint64_t run_end(std::uint64_t after_stack)
{
    std::uint64_t const end = round_up(after_stack, kRunAlignment);
    return end - after_stack < kSlack ? end + kRunAlignment : end;
}

} // namespace

TableCounts tables_for(std::uint64_t start, std::uint64_t end)
{
    TableCounts counts{};
    for (unsigned level = 1; level <= 3; ++level)
        counts.of_level[level] = ((end - 1) >> (kPageShift + 9 * level)) - (start >> (kPageShift + 9 * level)) + 1;
    return counts;
}

Result<void> compute_layout(KernelImage const& image, std::uint64_t frames, std::uint64_t initrd_bytes, Layout& layout,
                            char const*& why)
{
    KernelNotes const& notes = image.notes;
    layout = Layout{};
    layout.frames = frames;
    layout.virtual_base = notes.virtual_base;
    layout.initrd_frames = round_up(initrd_bytes, kPageSize) >> kPageShift;
    layout.p2m_data_frames = round_up(frames * 8, kPageSize) >> kPageShift;
    layout.p2m_outside = notes.has_initial_p2m;

    std::uint64_t next = round_up(image.address_of(image.physical_end), kPageSize);
    layout.kernel_end = next;
    if (layout.initrd_frames != 0 && !notes.module_start_is_frame)
    {
        layout.initrd_start = next;
        next += layout.initrd_frames << kPageShift;
    }
    if (!layout.p2m_outside)
    {
        layout.p2m_start = next;
        next += layout.p2m_data_frames << kPageShift;
    }
    layout.start_info = next;
    layout.tables_start = next + kPageSize;
    // The tables map themselves, so their number is a fixed point.
    for (layout.table_count = 1;;)
    {
        layout.stack = layout.tables_start + (layout.table_count << kPageShift);
        layout.virtual_end = run_end(layout.stack + kPageSize);
        std::uint64_t const needed = 1 + tables_for(layout.virtual_base, layout.virtual_end).total();
        if (needed <= layout.table_count)
            break;
        layout.table_count = needed;
    }
    bool const addresses = layout.virtual_end > layout.virtual_base && is_canonical(layout.virtual_base) &&
                           is_guest_address(layout.virtual_end - 1) &&
                           (!notes.has_initial_p2m || is_guest_address(notes.initial_p2m));
    if (!addresses)
    {
        why = "the kernel asks for addresses that it cannot have";
        return Errno::Inval;
    }
    layout.run_frames = (layout.virtual_end - layout.virtual_base) >> kPageShift;
    layout.initrd_frame = layout.initrd_start != 0 ? layout.frame_of(layout.initrd_start) : layout.run_frames;
    std::uint64_t used = layout.run_frames + (layout.initrd_start == 0 ? layout.initrd_frames : 0);
    if (layout.p2m_outside)
    {
        layout.p2m_start = notes.initial_p2m;
        layout.p2m_frame = used;
        layout.p2m_table_frames =
            tables_for(layout.p2m_start, layout.p2m_start + (layout.p2m_data_frames << kPageShift)).total();
        used += layout.p2m_table_frames + layout.p2m_data_frames;
    }
    if (used > frames)
    {
        why = "too little memory for the kernel and its ramdisk";
        return Errno::NoMem;
    }
    static_assert(span_of(1) == 2ull << 20);
    return {};
}

} // namespace hv::builder
