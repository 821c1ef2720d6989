// SPDX-License-Identifier: MIT
// The buddy allocator.
#include <core/mm/buddy.hpp>

#include <core/mm/frame_table.hpp>
#include <core/mm/tlb_clock.hpp>

#include <bit>

namespace hv
{

Buddy g_buddy;

namespace
{

unsigned zone_of(Mfn frame)
{
    return static_cast<unsigned>(std::bit_width(frame.raw())) - 1;
}

constexpr std::uint64_t free_ownership(std::uint64_t flags)
{
    return (static_cast<std::uint64_t>(kDomainInvalid.raw()) << FrameInfo::kOwnerShift) | flags;
}

// The later of two stamps. Only their ages tell: they may be more than half of the clock's 16 bits apart.
std::uint16_t newer(std::uint16_t a, std::uint16_t b, std::uint16_t now)
{
    auto const age = [now](std::uint16_t stamp) { return static_cast<std::uint16_t>(now - stamp); };
    return age(a) <= age(b) ? a : b;
}

} // namespace

bool Buddy::is_free_head(Mfn first, unsigned order) const
{
    FrameInfo const* info = frame_info(first);
    return info != nullptr && info->ownership == free_ownership(kFlagFreeHead) && (info->usage & kOrderMask) == order;
}

void Buddy::link(Mfn first, unsigned order, unsigned zone)
{
    FrameInfo& info = *frame_info(first);
    std::uint32_t& head = heads_[zone][order];
    info.ownership = free_ownership(kFlagFreeHead);
    info.usage = (info.usage & kStampMask) | order;
    info.next = head;
    info.previous = 0;
    if (head != 0)
        frame_info(Mfn{head})->previous = static_cast<std::uint32_t>(first.raw());
    head = static_cast<std::uint32_t>(first.raw());
    orders_available_[zone] |= 1u << order;
    zones_available_ |= 1u << zone;
}

void Buddy::unlink(Mfn first, unsigned order, unsigned zone)
{
    FrameInfo& info = *frame_info(first);
    std::uint32_t& head = heads_[zone][order];
    if (info.previous != 0)
        frame_info(Mfn{info.previous})->next = info.next;
    else
        head = info.next;
    if (info.next != 0)
        frame_info(Mfn{info.next})->previous = info.previous;
    if (head == 0)
    {
        orders_available_[zone] &= ~(1u << order);
        if (orders_available_[zone] == 0)
            zones_available_ &= ~(1u << zone);
    }
    info.ownership = free_ownership(0);
    info.next = info.previous = 0;
}

Mfn Buddy::take_run(unsigned order, unsigned most, unsigned address_bits, unsigned& taken)
{
    if (order >= kOrders || address_bits <= kPageShift)
        return kInvalidMfn;
    unsigned const zones = address_bits - static_cast<unsigned>(kPageShift);
    std::uint32_t candidates = zones < kZones ? zones_available_ & ((1u << zones) - 1) : zones_available_;
    for (; candidates != 0; candidates &= ~std::bit_floor(candidates))
    {
        auto const zone = static_cast<unsigned>(std::bit_width(candidates)) - 1;
        std::uint32_t const usable = orders_available_[zone] & ~((1u << order) - 1);
        if (usable == 0)
            continue;
        unsigned found = static_cast<unsigned>(std::countr_zero(usable));
        Mfn const block{heads_[zone][found]};
        unlink(block, found, zone);
        while (found > most)
        {
            --found;
            Mfn const upper = block + (1ull << found);
            FrameInfo& info = *frame_info(upper);
            info.usage = frame_info(block)->usage & kStampMask;
            link(upper, found, zone);
        }
        taken = found;
        store_relaxed(free_, free_ - (1ull << found));
        return block;
    }
    return kInvalidMfn;
}

void Buddy::give(Mfn first, unsigned order)
{
    store_relaxed(free_, free_ + (1ull << order));
    std::uint16_t stamp = tlb_stamp_of(frame_info(first)->usage);
    std::uint16_t const now = tlb_stamp_of(tlb_stamp_now());
    unsigned const zone = zone_of(first); // its buddies', too, as long as they are smaller than the zone
    while (order + 1 < kOrders)
    {
        Mfn const buddy{first.raw() ^ (1ull << order)};
        if (zone <= order || !is_free_head(buddy, order))
            break;
        stamp = newer(stamp, tlb_stamp_of(frame_info(buddy)->usage), now);
        unlink(buddy, order, zone);
        first = buddy < first ? buddy : first;
        ++order;
    }
    frame_info(first)->usage = static_cast<std::uint64_t>(stamp) << kStampShift;
    link(first, order, zone);
}

void Buddy::give_range(Mfn first, Mfn end, std::uint64_t stamp)
{
    while (first < end)
    {
        unsigned order = static_cast<unsigned>(std::countr_zero(first.raw()));
        if (unsigned const fitting = static_cast<unsigned>(std::bit_width(end - first)) - 1; order > fitting)
            order = fitting;
        if (order >= kOrders)
            order = kOrders - 1;
        frame_info(first)->usage = stamp;
        give(first, order);
        first = first + (1ull << order);
    }
}

} // namespace hv
