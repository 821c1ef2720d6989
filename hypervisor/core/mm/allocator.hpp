// SPDX-License-Identifier: MIT
// Machine frames: a buddy allocator by address width, and accounting per domain.
#pragma once

#include <core/mm/frame.hpp>
#include <lib/result.hpp>
#include <lib/strong.hpp>

#include <cstddef>
#include <cstdint>

namespace hv
{

inline constexpr unsigned kMaxOrder = 20; // 4 GiB

// Boot: hands a range of RAM over. Not concurrent.
void add_free_range(Mfn first, Mfn end);

std::uint64_t free_frames(); // racy snapshot for reports
std::uint64_t total_frames();

// ---- Frames for ourselves. Contents undefined unless `zeroed`. kInvalidMfn when memory is out.
// `address_bits`: every byte of the block lies below 1 << address_bits; 64 = anywhere.
[[nodiscard]] Mfn allocate_frames(unsigned order, unsigned address_bits = 64);
void free_frames(Mfn first, unsigned order);
[[nodiscard]] std::byte* allocate_zeroed_page(); // nullptr when memory is out
void free_page(std::byte* page);
Mfn frame_of(void const* direct); // the frame behind a direct-map address of ours

// ---- Frames for a domain. Zeroed; count 1 (the allocation), on the domain's page list, counted against max_pages.
// NoMem when memory or the domain's allowance is out. A dying domain gets nothing.
[[nodiscard]] Result<Mfn> allocate_domain_frames(Domain& domain, unsigned order, unsigned address_bits = 64);
// The same for lists: up to `wanted` extents of one order that lie in a row, at least one; more than one only up to
// kRunFrames frames. They are those that so many calls one after the other would give.
struct DomainExtents
{
    Mfn first = kInvalidMfn;
    std::uint64_t count = 0;
    std::uint64_t claimed = 0; // how many of the frames, from the first on, had been set aside for the domain
};
inline constexpr unsigned kRunFrames = 32;
[[nodiscard]] Result<DomainExtents> allocate_domain_extents(Domain& domain, unsigned order, unsigned address_bits,
                                                            std::uint64_t wanted);
// Takes extents [kept, count) of those just allocated away again, and sets aside anew what had been.
void withdraw_domain_extents(Domain& domain, DomainExtents const& extents, unsigned order, std::uint64_t kept);
// Boot: one of our frames becomes the domain's with its contents (its ramdisk).
Result<void> adopt_domain_frame(Domain& domain, Mfn frame);
// A frame shared between us and the domain (shared_info, grant table): not counted as guest RAM, never a page table, the
// owner may map it writable. Zeroed, one allocation reference. The last put_frame() frees it.
[[nodiscard]] Result<Mfn> allocate_special_frame(Domain& domain);
// Takes the allocation reference away from the domain (balloon, exchange, teardown). False when other references exist
// that forbid it (`only_if_unused`), or when the frame was not allocated to it.
[[nodiscard]] bool release_domain_frame(Domain& domain, Mfn frame, bool only_if_unused);

// XENMEM_claim_pages: sets aside what the domain lacks of `frames`; 0 cancels. NoMem.
Result<void> claim_frames(Domain& domain, std::uint64_t frames);

// Frees frames of a dying domain from the head of its list, at most `limit`, up to the first that anybody but the
// allocation refers to; how many. The caller holds a reference of the domain.
std::uint32_t free_unshared_frames(Domain& domain, std::uint32_t limit);

// Puts a listed frame of a dying domain aside; the caller holds a reference of it.
void move_to_relinquished(Domain& domain, Mfn frame);

// ---- Small objects of ours: up to 1984 bytes from slabs, larger ones from whole frames. nullptr when memory is out.
[[nodiscard]] void* heap_allocate(std::size_t bytes); // zeroed, aligned to 16 (64 from 64 bytes, a page from a page)
void heap_free(void* block, std::size_t bytes);       // `bytes` as given to heap_allocate

template<typename T, typename... Args>
[[nodiscard]] T* heap_new(Args&&... args);
template<typename T>
void heap_delete(T* object);

} // namespace hv

#include <core/mm/heap_new.inc>
