// SPDX-License-Identifier: MIT
// Giving frames to us and to domains, and taking them back.
//
// A frame enters a domain with one reference, the allocation, marked by kFlagAllocated; whoever takes the allocation away
// (balloon, exchange, destruction) clears the flag first, so it is dropped exactly once. The frame is freed when its
// count reaches 0, on whatever CPU that happens; it stays on its owner's list until then, so a dying domain lives as long
// as anybody maps a frame of it.
#include <core/mm/allocator.hpp>

#include <core/domain/domain.hpp>
#include <core/domain/lifecycle.hpp>
#include <core/mm/allocator_steps.hpp>
#include <core/mm/buddy.hpp>
#include <core/mm/claims.hpp>
#include <core/mm/frame_table.hpp>
#include <core/mm/tlb_clock.hpp>
#include <port/port.hpp>

#include <bit>

namespace hv
{
namespace
{

std::uint64_t total = 0;

constexpr std::uint64_t ownership_of(DomainId owner, std::uint64_t flags, std::uint32_t count)
{
    return (static_cast<std::uint64_t>(owner.raw()) << FrameInfo::kOwnerShift) | flags | count;
}

void clear_frame(Mfn frame)
{
    __builtin_memset(port::frame_data(frame), 0, kPageSize);
}

// The sum of all domains' claimed_pages; both change under g_buddy.lock.
std::uint64_t claimed HV_GUARDED_BY(g_buddy.lock) = 0;

// The frames may still be in TLBs as their former owner's: nobody gets them before those entries are gone.
Mfn without_old_translations(Mfn first)
{
    if (first != kInvalidMfn)
        flush_if_stale(tlb_stamp_of(frame_info(first)->usage));
    return first;
}

Mfn take_block(unsigned order, unsigned address_bits)
{
    Mfn first = kInvalidMfn;
    {
        Guard guard(g_buddy.lock);
        first = g_buddy.take(order, address_bits);
    }
    return without_old_translations(first);
}

// For a domain's RAM: what is set aside for others is not there for it. `used` is how much of its own claim the block uses.
Mfn take_block_for(Domain& domain, unsigned order, unsigned address_bits, std::uint64_t& used)
{
    std::uint64_t const count = 1ull << order;
    Mfn first = kInvalidMfn;
    {
        Guard guard(g_buddy.lock);
        if (g_buddy.free_frames() >= count + (claimed - domain.claimed_pages))
            first = g_buddy.take(order, address_bits);
        used = first == kInvalidMfn ? 0 : domain.claimed_pages < count ? domain.claimed_pages : count;
        domain.claimed_pages -= used;
        claimed -= used;
    }
    return without_old_translations(first);
}

void give_back_claim(Domain& domain, std::uint64_t frames)
{
    Guard guard(g_buddy.lock);
    domain.claimed_pages += frames;
    claimed += frames;
}

void give_block(Mfn first, unsigned order)
{
    Guard guard(g_buddy.lock);
    g_buddy.give(first, order);
}

// page_lock held.
void list_insert(PageList& list, Mfn frame)
{
    FrameInfo& info = *frame_info(frame);
    info.next = list.first;
    info.previous = 0;
    if (list.first != 0)
        frame_info(Mfn{list.first})->previous = static_cast<std::uint32_t>(frame.raw());
    list.first = static_cast<std::uint32_t>(frame.raw());
    ++list.count;
}

void list_remove(PageList& list, Mfn frame)
{
    FrameInfo& info = *frame_info(frame);
    if (info.previous != 0)
        frame_info(Mfn{info.previous})->next = info.next;
    else
        list.first = info.next;
    if (info.next != 0)
        frame_info(Mfn{info.next})->previous = info.previous;
    info.next = info.previous = 0;
    --list.count;
}

constexpr std::uint64_t kPlainUsage = FrameInfo::kValidated; // Writable, no use

// page_lock held: the frame becomes RAM of the domain, reachable from the last store on.
void list_domain_frame(Domain& domain, Mfn frame)
{
    FrameInfo& info = *frame_info(frame);
    info.usage = kPlainUsage;
    list_insert(domain.pages, frame);
    store_release(info.ownership, ownership_of(domain.id(), FrameInfo::kFlagAllocated | FrameInfo::kFlagListed, 1));
}

} // namespace

void init_frame_table(FrameInfo* base, Mfn end)
{
    g_frames.base = base;
    g_frames.end = end;
    for (Mfn frame{0}; frame < end; ++frame)
    {
        base[frame.raw()] = FrameInfo{};
        base[frame.raw()].ownership = ownership_of(kDomainIo, 0, 0);
        port::m2p()[frame.raw()] = ~0ull;
    }
}

void mark_hypervisor_range(Mfn first, Mfn end)
{
    for (Mfn frame = first; frame < end && frame < g_frames.end; ++frame)
    {
        frame_info(frame)->ownership = ownership_of(kDomainXen, 0, 1);
        ++total;
    }
}

void add_free_range(Mfn first, Mfn end)
{
    if (first == Mfn{0}) // frame 0 ends lists
        ++first;
    for (Mfn frame = first; frame < end; ++frame)
    {
        FrameInfo& info = *frame_info(frame);
        if (info.owner() != kDomainXen)
            ++total;
        info.ownership = ownership_of(kDomainInvalid, 0, 0);
        info.usage = 0;
    }
    Guard guard(g_buddy.lock);
    g_buddy.give_range(first, end, 0);
}

std::uint64_t free_frames()
{
    return g_buddy.free_frames();
}

std::uint64_t total_frames()
{
    return total;
}

Mfn allocate_frames(unsigned order, unsigned address_bits)
{
    Mfn const first = take_block(order, address_bits);
    if (first == kInvalidMfn)
        return kInvalidMfn;
    for (std::uint64_t i = 0; i < (1ull << order); ++i)
    {
        FrameInfo& info = *frame_info(first + i);
        info.usage = kPlainUsage;
        info.next = info.previous = 0;
        store_release(info.ownership, ownership_of(kDomainXen, 0, 1));
    }
    return first;
}

void free_frames(Mfn first, unsigned order)
{
    for (std::uint64_t i = 0; i < (1ull << order); ++i)
    {
        FrameInfo& info = *frame_info(first + i);
        HV_ASSERT(info.owner() == kDomainXen && info.count() == 1);
        info.ownership = ownership_of(kDomainInvalid, 0, 0);
        info.usage = tlb_stamp_now();
    }
    give_block(first, order);
}

std::byte* allocate_zeroed_page()
{
    Mfn const frame = allocate_frames(0);
    if (frame == kInvalidMfn)
        return nullptr;
    clear_frame(frame);
    return port::frame_data(frame);
}

Mfn frame_of(void const* direct)
{
    return Mfn{static_cast<std::uint64_t>(static_cast<std::byte const*>(direct) - port::frame_data(Mfn{0})) >>
               kPageShift};
}

void free_page(std::byte* page)
{
    if (page != nullptr)
        free_frames(frame_of(page), 0);
}

Result<Mfn> allocate_domain_frames(Domain& domain, unsigned order, unsigned address_bits)
{
    std::uint64_t const count = 1ull << order;
    std::uint64_t used = 0;
    Mfn const first = take_block_for(domain, order, address_bits, used);
    HV_REQUIRE(first != kInvalidMfn, Errno::NoMem);
    for (std::uint64_t i = 0; i < count; ++i)
        clear_frame(first + i);
    {
        Guard guard(domain.page_lock);
        // Life is read under page_lock: destruction sets Dying, then takes the lock once, so nothing is added later.
        bool const dying = load_acquire(domain.life) >= Life::Dying;
        if (!dying && count <= domain.max_pages && domain.pages.count <= domain.max_pages - count)
        {
            if (domain.pages.count == 0)
                domain_hold(domain); // page accounting keeps one reference
            for (std::uint64_t i = 0; i < count; ++i)
                list_domain_frame(domain, first + i);
            return first;
        }
        if (!dying)
            give_back_claim(domain, used);
    }
    give_block(first, order);
    return Errno::NoMem;
}

Result<void> adopt_domain_frame(Domain& domain, Mfn frame)
{
    FrameInfo& info = *frame_info(frame);
    HV_ASSERT(info.owner() == kDomainXen && info.count() == 1);
    Guard guard(domain.page_lock);
    HV_REQUIRE(domain.pages.count < domain.max_pages, Errno::NoMem);
    if (domain.pages.count == 0)
        domain_hold(domain);
    list_domain_frame(domain, frame);
    return {};
}

Result<Mfn> allocate_special_frame(Domain& domain)
{
    Mfn const frame = take_block(0, 64);
    HV_REQUIRE(frame != kInvalidMfn, Errno::NoMem);
    clear_frame(frame);
    FrameInfo& info = *frame_info(frame);
    info.usage = kPlainUsage;
    info.next = info.previous = 0;
    port::m2p()[frame.raw()] = ~0ull;
    domain_hold(domain);
    fetch_add(domain.special_pages, 1u);
    store_release(info.ownership, ownership_of(domain.id(), FrameInfo::kFlagSpecial | FrameInfo::kFlagAllocated, 1));
    return frame;
}

bool release_domain_frame(Domain& domain, Mfn frame, bool only_if_unused)
{
    FrameInfo* info = frame_info(frame);
    if (info == nullptr)
        return false;
    std::uint64_t seen = load_relaxed(info->ownership);
    do
    {
        bool const owned = (seen >> FrameInfo::kOwnerShift) == domain.id().raw();
        std::uint32_t const count = static_cast<std::uint32_t>(seen & FrameInfo::kCountMask);
        if (!owned || count == 0 || (seen & FrameInfo::kFlagAllocated) == 0)
            return false;
        if (only_if_unused && (count != 1 || (seen & FrameInfo::kFlagSpecial) != 0))
            return false;
    } while (!compare_exchange(info->ownership, seen, seen & ~FrameInfo::kFlagAllocated));
    put_frame(frame);
    return true;
}

Mfn take_cleared_block(unsigned order, unsigned address_bits)
{
    Mfn const first = take_block(order, address_bits);
    if (first != kInvalidMfn)
        for (std::uint64_t i = 0; i < (1ull << order); ++i)
            clear_frame(first + i);
    return first;
}

void return_block(Mfn first, unsigned order)
{
    give_block(first, order);
}

void replace_domain_frames(Domain& domain, std::span<Mfn const> in, std::span<Mfn const> out, unsigned order)
{
    {
        Guard guard(domain.page_lock);
        for (Mfn const first : out)
            for (std::uint64_t i = 0; i < (1ull << order); ++i)
                list_domain_frame(domain, first + i);
        for (Mfn const frame : in)
            list_remove(domain.pages, frame);
    }
    for (Mfn const frame : in)
    {
        FrameInfo& info = *frame_info(frame);
        port::m2p()[frame.raw()] = ~0ull;
        info.usage = tlb_stamp_now();
        info.ownership = ownership_of(kDomainInvalid, 0, 0);
        give_block(frame, 0);
    }
}

Result<void> claim_frames(Domain& domain, std::uint64_t frames)
{
    Guard guard(domain.page_lock);
    HV_REQUIRE(frames == 0 || load_acquire(domain.life) < Life::Dying, Errno::Inval);
    std::uint64_t const held = domain.pages.count;
    std::uint64_t const wanted = frames > held ? frames - held : 0;
    Guard free_guard(g_buddy.lock);
    std::uint64_t const others = claimed - domain.claimed_pages;
    HV_REQUIRE(frames == 0 || (frames <= domain.max_pages && wanted + others <= g_buddy.free_frames()), Errno::NoMem);
    domain.claimed_pages = wanted;
    claimed = others + wanted;
    return {};
}

std::uint64_t claimed_frames()
{
    Guard guard(g_buddy.lock);
    return claimed;
}

void move_to_relinquished(Domain& domain, Mfn frame)
{
    FrameInfo& info = *frame_info(frame);
    Guard guard(domain.page_lock);
    list_remove(domain.pages, frame);
    list_insert(domain.relinquished_pages, frame);
    fetch_or(info.ownership, FrameInfo::kFlagRelinquished);
}

std::uint32_t free_unshared_frames(Domain& domain, std::uint32_t limit)
{
    std::uint32_t freed = 0;
    {
        Guard guard(domain.page_lock);
        Guard free_guard(g_buddy.lock);
        Mfn first{0}; // frames in a row go back together, which spares most of the merging
        Mfn end{0};
        for (; freed < limit && domain.pages.first != 0; ++freed)
        {
            Mfn const frame{domain.pages.first};
            FrameInfo& info = *frame_info(frame);
            // One reference, the allocation's: so nobody uses it as anything, and from the exchange on nobody can.
            std::uint64_t alone = ownership_of(domain.id(), FrameInfo::kFlagAllocated | FrameInfo::kFlagListed, 1);
            if (!compare_exchange(info.ownership, alone, ownership_of(kDomainInvalid, 0, 0)))
                break;
            HV_ASSERT(info.type_count() == 0);
            list_remove(domain.pages, frame);
            port::m2p()[frame.raw()] = ~0ull;
            info.usage = 0;
            if (frame == end)
                ++end;
            else if (frame + 1 == first)
                first = frame;
            else
            {
                g_buddy.give_range(first, end, tlb_stamp_now());
                first = frame;
                end = frame + 1;
            }
        }
        g_buddy.give_range(first, end, tlb_stamp_now()); // after the last one became out of reach
        if (freed == 0 || domain.pages.count != 0 || domain.relinquished_pages.count != 0)
            return freed;
    }
    domain_release(domain); // what page accounting held
    return freed;
}

void detail::free_unreferenced(Mfn frame, FrameInfo& info)
{
    DomainId const owner = info.owner();
    std::uint64_t const flags = load_relaxed(info.ownership);
    HV_ASSERT((flags & FrameInfo::kFlagAllocated) == 0 && info.type_count() == 0);
    Domain* domain = owner == kDomainXen ? nullptr : domain_of_frame(owner);
    bool last = false;
    if ((flags & FrameInfo::kFlagListed) != 0)
    {
        HV_ASSERT(domain != nullptr);
        Guard guard(domain->page_lock);
        bool const relinquished = (flags & FrameInfo::kFlagRelinquished) != 0;
        list_remove(relinquished ? domain->relinquished_pages : domain->pages, frame);
        last = domain->pages.count == 0 && domain->relinquished_pages.count == 0;
    }
    port::m2p()[frame.raw()] = ~0ull;
    info.usage = tlb_stamp_now();
    info.ownership = ownership_of(kDomainInvalid, 0, 0);
    give_block(frame, 0);
    if ((flags & FrameInfo::kFlagSpecial) != 0)
    {
        HV_ASSERT(domain != nullptr);
        fetch_sub(domain->special_pages, 1u);
        last = true; // each special frame holds a reference of its own
    }
    if (last)
        domain_release(*domain);
}

} // namespace hv
