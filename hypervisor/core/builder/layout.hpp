// SPDX-License-Identifier: MIT
// Where everything lies in a new PV domain, in pseudo-physical frames and virtual addresses (surface.md 1.2).
//
//   virtual   |kernel image|(initrd)|(p2m)|start_info|page tables|stack| pad ... |   one run from VIRT_BASE
//   frames    0 ............ same order, frame = (address - VIRT_BASE) >> 12 ....|initrd frames|p2m frames|rest|
//
// The initrd is outside the run when the kernel takes it by frame number (MOD_START_PFN); the p2m is outside when the
// kernel names an address for it (INIT_P2M): then its frames, its page tables first, are consecutive.
#pragma once

#include <core/builder/elf.hpp>
#include <lib/strong.hpp>

namespace hv::builder
{

struct Layout
{
    std::uint64_t virtual_base = 0;
    std::uint64_t kernel_end = 0;   // virtual, page-aligned
    std::uint64_t initrd_start = 0; // virtual, 0 when outside the run
    std::uint64_t p2m_start = 0;    // virtual, inside the run or INIT_P2M
    bool p2m_outside = false;
    std::uint64_t start_info = 0;   // virtual
    std::uint64_t tables_start = 0; // virtual: L4 first
    std::uint64_t table_count = 0;
    std::uint64_t stack = 0;       // virtual, one page
    std::uint64_t virtual_end = 0; // end of the run, a multiple of 4 MiB

    std::uint64_t frames = 0;       // all of the domain's memory
    std::uint64_t run_frames = 0;   // frames of the run
    std::uint64_t initrd_frame = 0; // first frame of the initrd
    std::uint64_t initrd_frames = 0;
    std::uint64_t p2m_frame = 0; // first frame of what belongs to an outside p2m: tables, then data
    std::uint64_t p2m_table_frames = 0;
    std::uint64_t p2m_data_frames = 0;

    [[nodiscard]] std::uint64_t frame_of(std::uint64_t address) const { return (address - virtual_base) >> kPageShift; }
};

// NoMem when `frames` is too few, Inval when the kernel asks for addresses it may not have; `why` says it in English.
Result<void> compute_layout(KernelImage const& image, std::uint64_t frames, std::uint64_t initrd_bytes, Layout& layout,
                            char const*& why);

// Page tables of each level needed to map [start, end): index 1..3 used.
struct TableCounts
{
    std::uint64_t of_level[4];
    [[nodiscard]] std::uint64_t total() const { return of_level[1] + of_level[2] + of_level[3]; }
};
TableCounts tables_for(std::uint64_t start, std::uint64_t end);

} // namespace hv::builder
