// SPDX-License-Identifier: MIT
// What the builder needs of a kernel's ELF file: its segments and its Xen notes.
#pragma once

#include <lib/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace hv::builder
{

using Bytes = std::span<std::byte const>;

struct Segment
{
    std::uint64_t physical = 0; // p_paddr: Debian's per-CPU segment has a virtual address of 0
    std::uint64_t file_offset = 0;
    std::uint64_t file_size = 0;
    std::uint64_t memory_size = 0;
};

// Notes of owner "Xen" (public header elfnote.h), numbers widened to 64 bits.
struct KernelNotes
{
    bool found = false;
    std::uint64_t virtual_base = 0;   // VIRT_BASE
    std::uint64_t address_offset = 0; // PADDR_OFFSET
    std::uint64_t entry = 0;          // ENTRY
    bool has_entry = false;
    std::uint64_t hypercall_page = 0; // HYPERCALL_PAGE
    bool has_hypercall_page = false;
    std::uint64_t initial_p2m = 0; // INIT_P2M
    bool has_initial_p2m = false;
    bool module_start_is_frame = false; // MOD_START_PFN
    std::uint64_t supported_features = 0;
    bool has_supported_features = false;
    char loader[16] = {};
    char guest_os[16] = {};
    char xen_version[16] = {};
};

struct KernelImage
{
    static constexpr std::size_t kMaxSegments = 32;
    Bytes file;
    std::array<Segment, kMaxSegments> segments{};
    std::uint32_t segment_count = 0;
    std::uint64_t entry = 0; // e_entry
    std::uint64_t physical_start = 0;
    std::uint64_t physical_end = 0;
    KernelNotes notes;

    [[nodiscard]] std::uint64_t address_of(std::uint64_t physical) const
    {
        return physical + notes.virtual_base - notes.address_offset;
    }
};

// `why` receives a plain-English reason on error. Every offset in the file is checked against its size.
Result<void> parse_kernel(Bytes file, KernelImage& image, char const*& why);

} // namespace hv::builder
