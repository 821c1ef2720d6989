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

std::uint64_t room_for_pages(Domain const& domain)
{
    std::uint64_t const most = load_relaxed(domain.max_pages);
    std::uint64_t const listed = load_relaxed(domain.pages.count);
    return most > listed ? most - listed : 0;
}

// For a domain's RAM: what is set aside for others is not there for it. Up to `wanted` extents, none when memory is out. What
// max_pages allow is only guessed, to be decided under page_lock.
DomainExtents take_run_for(Domain& domain, unsigned order, unsigned address_bits, std::uint64_t wanted)
{
    std::uint64_t const room = room_for_pages(domain);
    std::uint64_t frames = wanted < (kRunFrames >> order) ? wanted << order : kRunFrames;
    frames = frames < room ? frames : room;
    DomainExtents run;
    {
        Guard guard(g_buddy.lock);
        std::uint64_t const free = g_buddy.free_frames();
        std::uint64_t const others = claimed - domain.claimed_pages;
        std::uint64_t const available = free > others ? free - others : 0;
        if (available < 1ull << order)
            return run;
        frames = frames < available ? frames : available;
        unsigned const most = frames == 0 ? 0 : static_cast<unsigned>(std::bit_width(frames)) - 1;
        unsigned taken = 0;
        run.first = g_buddy.take_run(order, most > order ? most : order, address_bits, taken);
        if (run.first == kInvalidMfn)
            return run;
        run.count = 1ull << (taken - order);
        run.claimed = domain.claimed_pages < 1ull << taken ? domain.claimed_pages : 1ull << taken;
        domain.claimed_pages -= run.claimed;
        claimed -= run.claimed;
    }
    without_old_translations(run.first);
    return run;
}

// page_lock held, so that destruction, which cancels the claim, is not past that already.
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

// page_lock held: a row of frames, at least one, becomes RAM of the domain, newest first. Each is reachable from the store of
// its owner on; what follows the lists waits for the lock.
void list_domain_frames(Domain& domain, Mfn first, std::uint64_t count)
{
    std::uint64_t const ownership = ownership_of(domain.id(), FrameInfo::kFlagAllocated | FrameInfo::kFlagListed, 1);
    auto number = static_cast<std::uint32_t>(first.raw());
    std::uint32_t next = domain.pages.first;
    if (next != 0)
        frame_info(Mfn{next})->previous = number;
    FrameInfo* info = frame_info(first);
    FrameInfo* const end = info + count;
    for (; info != end; ++info)
    {
        info->usage = kPlainUsage;
        info->next = next;
        next = number++;
        info->previous = number;
        store_release(info->ownership, ownership);
    }
    end[-1].previous = 0;
    domain.pages.first = next;
    domain.pages.count += count;
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

Result<DomainExtents> allocate_domain_extents(Domain& domain, unsigned order, unsigned address_bits,
                                              std::uint64_t wanted)
{
    DomainExtents run = take_run_for(domain, order, address_bits, wanted);
    HV_REQUIRE(run.count != 0, Errno::NoMem);
    Mfn const first = run.first;
    std::uint64_t const count = run.count << order;
    std::uint64_t const stamp = frame_info(first)->usage & kStampMask;
    for (std::uint64_t i = 0; i < count; ++i)
        clear_frame(first + i);
    {
        Guard guard(domain.page_lock);
        // Life is read under page_lock: destruction sets Dying, then takes the lock once, so nothing is added later.
        bool const dying = load_acquire(domain.life) >= Life::Dying;
        std::uint64_t const room = dying ? 0 : room_for_pages(domain) >> order << order;
        std::uint64_t const entered = room < count ? room : count;
        if (entered != 0)
        {
            if (domain.pages.count == 0)
                domain_hold(domain); // page accounting keeps one reference
            list_domain_frames(domain, first, entered);
        }
        if (entered == count) [[likely]]
            return run;
        std::uint64_t const unused = run.claimed > entered && !dying ? run.claimed - entered : 0;
        run.claimed -= unused;
        run.count = entered >> order;
        Guard free_guard(g_buddy.lock);
        domain.claimed_pages += unused;
        claimed += unused;
        g_buddy.give_range(first + entered, first + count, stamp);
    }
    HV_REQUIRE(run.count != 0, Errno::NoMem);
    return run;
}

Result<Mfn> allocate_domain_frames(Domain& domain, unsigned order, unsigned address_bits)
{
    return HV_TRY(allocate_domain_extents(domain, order, address_bits, 1)).first;
}

void withdraw_domain_extents(Domain& domain, DomainExtents const& extents, unsigned order, std::uint64_t kept)
{
    std::uint64_t const end = extents.count << order;
    std::uint64_t withdrawn = 0; // others may have taken some away already, and put to use as anything
    for (std::uint64_t i = kept << order; i < end; ++i)
        withdrawn += release_domain_frame(domain, extents.first + i, true);
    std::uint64_t const claimed_here = extents.claimed > kept << order ? extents.claimed - (kept << order) : 0;
    std::uint64_t const back = claimed_here < withdrawn ? claimed_here : withdrawn;
    Guard guard(domain.page_lock);
    if (back != 0 && load_acquire(domain.life) < Life::Dying)
        give_back_claim(domain, back);
}

Result<void> adopt_domain_frame(Domain& domain, Mfn frame)
{
    FrameInfo& info = *frame_info(frame);
    HV_ASSERT(info.owner() == kDomainXen && info.count() == 1);
    Guard guard(domain.page_lock);
    HV_REQUIRE(domain.pages.count < domain.max_pages, Errno::NoMem);
    if (domain.pages.count == 0)
        domain_hold(domain);
    list_domain_frames(domain, frame, 1);
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
            list_domain_frames(domain, first, 1ull << order);
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
