// SPDX-License-Identifier: MIT
// Slots of pirq numbers and the page that tells a guest which of them need ends of interrupt.
#include <core/irq/pirq_table.hpp>

#include <core/mm/allocator.hpp>
#include <port/port.hpp>

namespace hv
{

bool PirqTable::create()
{
    slots_ = static_cast<Pirq**>(heap_allocate(kMaxPirqs * sizeof(Pirq*)));
    return slots_ != nullptr;
}

void PirqTable::destroy()
{
    if (eoi_frame_ != kInvalidMfn)
        put_writable(eoi_frame_);
    heap_free(slots_, kMaxPirqs * sizeof(Pirq*));
}

std::uint32_t PirqTable::find_free(std::uint32_t from, std::uint32_t count) const
{
    std::uint32_t run = 0;
    for (std::uint32_t number = from; number < kMaxPirqs; ++number)
    {
        run = slots_[number] == nullptr ? run + 1 : 0;
        if (run == count)
            return number + 1 - count;
    }
    return kMaxPirqs;
}

bool PirqTable::is_free(std::uint32_t number) const
{
    return number < kMaxPirqs && (slots_[number] == nullptr || slots_[number]->line == nullptr);
}

Pirq* PirqTable::add(std::uint32_t number, Line* line)
{
    HV_ASSERT(is_free(number));
    Pirq* const made = heap_new<Pirq>(domain_, number, line);
    if (made == nullptr)
        return nullptr;
    heap_delete(slots_[number]);
    slots_[number] = made;
    return made;
}

void PirqTable::remove(Pirq& pirq)
{
    note_need(pirq.number, false);
    slots_[pirq.number] = nullptr;
    heap_delete(&pirq);
}

void PirqTable::note_need(std::uint32_t number, bool needed)
{
    if (eoi_frame_ == kInvalidMfn)
        return;
    auto* const bits = reinterpret_cast<std::uint64_t*>(port::frame_data(eoi_frame_));
    if (needed)
        (void)test_and_set_bit(bits, number);
    else
        (void)test_and_clear_bit(bits, number);
}

Result<void> PirqTable::set_eoi_page(GuestFrame frame, bool unmask)
{
    HV_REQUIRE(eoi_frame_ == kInvalidMfn, Errno::Busy);
    Mfn const target = domain_.resolve(frame);
    HV_REQUIRE(get_writable(target, domain_.id()), Errno::Inval);
    eoi_frame_ = target;
    unmask_on_end_ = unmask;
    for (std::uint32_t number = 0; number < kMaxPirqs; ++number)
        if (Pirq const* const mapped = slots_[number]; mapped != nullptr && mapped->line != nullptr)
            note_need(number, needs_end(*mapped->line));
    return {};
}

} // namespace hv
