// SPDX-License-Identifier: MIT
// The machine's memory during boot: the sanitised map, a bump allocator, and what is left for the frame allocator.
//
// Allocations come from the top of the highest RAM range that has room, so low memory stays free for devices and the
// control domain; until the final page tables are loaded only memory below 4 GiB can be used. Nothing is freed.
#pragma once

#include <arch/x86_64/boot/boot_info.hpp>
#include <lib/strong.hpp>

#include <cstdint>

namespace hv
{

struct MachineRange
{
    MachineAddress start;
    std::uint64_t size; // bytes
    [[nodiscard]] MachineAddress end() const { return start + size; }
};

struct FreeRanges
{
    static constexpr std::uint32_t kMax = 192;
    MachineRange ranges[kMax]; // ascending, page-aligned, non-empty, disjoint
    std::uint32_t count = 0;
    [[nodiscard]] std::uint64_t bytes() const;
};

// Sorts the map, removes overlaps (the more restrictive type wins), applies `limit` to RAM and logs what that cost.
void sanitise_memory_map(BootInfo& info, std::uint64_t limit);

// Takes the RAM of the map, without the first MiB, the image and the modules, as boot memory.
void start_boot_memory(BootInfo const& info);

// Zeroed, page-aligned at least. Stops the machine with a message when memory is exhausted.
MachineAddress boot_allocate(std::uint64_t bytes, std::uint64_t alignment = kPageSize);

// The same without zeroing: for large areas that are written anyway and handed to the frame allocator later.
MachineAddress boot_reserve(std::uint64_t bytes, std::uint64_t alignment = kPageSize);

// Whether boot_reserve() of so many bytes, page-aligned, would succeed.
bool boot_memory_has(std::uint64_t bytes);

// From now on memory above 4 GiB may be allocated too: the final page tables are loaded.
void allow_high_boot_memory();

// A page below 1 MiB for code that other CPUs start in (real mode reaches no further).
MachineAddress low_memory_page();

// What nobody uses. Call once, when boot is over: boot_allocate() must not be called afterwards.
FreeRanges const& take_free_ranges();

std::uint64_t total_ram_bytes();
Mfn max_frame(); // one past the highest frame of RAM
bool is_ram(MachineAddress address);

} // namespace hv
