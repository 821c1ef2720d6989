// SPDX-License-Identifier: MIT
// The record of one machine frame: who owns it, who refers to it, and as what it may be used.
//
// Ownership prose. A frame is free (owner kDomainInvalid), ours (kDomainXen), or a domain's. `count` is the number of
// general references: 1 for the allocation itself, and 1 for every page-table entry, grant mapping, foreign mapping,
// descriptor slot or root register that names the frame. When it falls to 0 the frame goes back to the allocator.
// `type` says how the frame may be used, with the number of uses. The types exclude each other: a frame with one
// writable use (a writable mapping anywhere) cannot become a page table or a descriptor table, and the other way round;
// that alone is why a guest can never write its own page tables. Every typed reference comes with a general one.
//
// Changing the type needs a type count of 0. The order is: compare-exchange (new type, count 1, not validated), flush the
// TLBs that may hold a writable translation from before, validate the contents, publish `validated`. Flushing first
// would let another CPU pick up a fresh writable translation between flush and exchange.
//
// All transitions to and from a table or descriptor type, and all validation and teardown, run under the owner's
// mmu_lock; writable references come and go without it (grants, foreign mappings), hence the atomics.
#pragma once

#include <lib/atomic.hpp>
#include <lib/result.hpp>
#include <lib/strong.hpp>

#include <cstdint>

namespace hv
{

class Domain;

enum class FrameType : std::uint8_t
{
    Writable = 0, // the resting type: plain data, may be mapped writable
    L1 = 1,
    L2 = 2,
    L3 = 3,
    L4 = 4,
    Descriptor = 5, // GDT or LDT page
};

struct FrameInfo
{
    // owner: bits 63..48 (DomainId), flags: 47..32, count: 31..0. One word, so that "count up if owned by D" is one step.
    std::uint64_t ownership = 0;
    // type 63..61, pinned 60, validated 59, partial 58, progress 57..48 (entries done while partial), count 31..0.
    std::uint64_t usage = 0;
    // List of the owner's frames, or the free list: frame numbers (16 TiB of memory), 0 ends it.
    std::uint32_t next = 0;
    std::uint32_t previous = 0;

    static constexpr std::uint64_t kCountMask = 0xffffffff;
    static constexpr unsigned kOwnerShift = 48;
    static constexpr std::uint64_t kFlagSpecial = 1ull << 32; // shared_info, grant frames: not guest RAM, never a table
    static constexpr std::uint64_t kFlagAllocated = 1ull << 33; // the allocation's own reference is still held
    static constexpr std::uint64_t kFlagListed = 1ull << 34;    // on the owner's page list

    // Somebody has mapped it with another cache mode than write-back since it was allocated: what the caches hold of it and
    // what page walks read may differ until the lines are written back and dropped.
    static constexpr std::uint64_t kFlagUncached = 1ull << 37;
    static constexpr std::uint64_t kFlagRelinquished = 1ull << 36; // on relinquished_pages instead

    static constexpr unsigned kTypeShift = 61;
    static constexpr std::uint64_t kPinned = 1ull << 60;
    static constexpr std::uint64_t kValidated = 1ull << 59;
    static constexpr std::uint64_t kPartial = 1ull << 58;
    static constexpr unsigned kProgressShift = 48;
    static constexpr std::uint64_t kProgressMask = 0x3ffull << kProgressShift;

    [[nodiscard]] DomainId owner() const
    {
        using Part [[gnu::may_alias]] = std::uint16_t; // the top one alone: one instruction less than a shift
        static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
        return DomainId{load_relaxed(reinterpret_cast<Part const*>(&ownership)[kOwnerShift / 16])};
    }
    [[nodiscard]] std::uint32_t count() const
    {
        return static_cast<std::uint32_t>(load_relaxed(ownership) & kCountMask);
    }
    [[nodiscard]] bool special() const { return (load_relaxed(ownership) & kFlagSpecial) != 0; }
    [[nodiscard]] FrameType type() const { return static_cast<FrameType>(load_relaxed(usage) >> kTypeShift); }
    [[nodiscard]] std::uint32_t type_count() const
    {
        return static_cast<std::uint32_t>(load_relaxed(usage) & kCountMask);
    }
    [[nodiscard]] bool pinned() const { return (load_relaxed(usage) & kPinned) != 0; }
    [[nodiscard]] bool validated() const { return (load_relaxed(usage) & kValidated) != 0; }
};
static_assert(sizeof(FrameInfo) == 24);

// The record of `frame`; frames at or above port::max_mfn() have none (nullptr): device memory.
FrameInfo* frame_info(Mfn frame);

// ---- General references. All lock-free.
// Takes one if the frame is allocated RAM owned by `owner`; false otherwise, also on count overflow.
[[nodiscard]] bool get_frame(Mfn frame, DomainId owner);
// Takes one whoever owns it (frames of a domain or ours, never free ones). For callers that already hold a reference
// or hold the owner's lock.
[[nodiscard]] bool get_frame_any(Mfn frame);
// Gives one back; the last one frees the frame (scrubbed before it changes owner) and may free a dead domain.
void put_frame(Mfn frame);

// ---- Writable uses (with a general reference each). Lock-free.
// For frames owned by `owner`, or special frames mapped by their owner. Busy when the frame is a table or descriptor page.
[[nodiscard]] Result<void> get_writable(Mfn frame, DomainId owner);
void put_writable(Mfn frame);

// One general reference that ends with the scope unless released into something that keeps it.
class FrameRef
{
public:
    FrameRef() = default;
    explicit FrameRef(Mfn adopted) : frame_(adopted) {}
    FrameRef(FrameRef&& other) noexcept : frame_(other.release()) {}
    FrameRef& operator=(FrameRef&&) = delete;
    ~FrameRef()
    {
        if (frame_ != kInvalidMfn)
            put_frame(frame_);
    }
    [[nodiscard]] Mfn get() const { return frame_; }
    Mfn release()
    {
        Mfn const frame = frame_;
        frame_ = kInvalidMfn;
        return frame;
    }

private:
    Mfn frame_ = kInvalidMfn;
};

} // namespace hv
