// SPDX-License-Identifier: MIT
// A domain's numbers of physical interrupts. Internal to core/irq.
#pragma once

#include <core/irq/pirq.hpp>

namespace hv
{

class PirqTable
{
public:
    explicit PirqTable(Domain& domain) : domain_(domain) {}
    PirqTable(PirqTable const&) = delete;
    PirqTable& operator=(PirqTable const&) = delete;
    bool create();  // false: no memory
    void destroy(); // nothing is mapped

    SpinLock lock{LockRank::PirqTable}; // slots, eoi page

    [[nodiscard]] Pirq* find(std::uint32_t number) const HV_REQUIRES(lock)
    {
        return number < kMaxPirqs ? slots_[number] : nullptr;
    }
    // The first of `count` free numbers from `from` upwards; kMaxPirqs when there are none.
    [[nodiscard]] std::uint32_t find_free(std::uint32_t from, std::uint32_t count) const HV_REQUIRES(lock);
    // The number can be mapped: nothing, or only set aside.
    [[nodiscard]] bool is_free(std::uint32_t number) const HV_REQUIRES(lock);
    // Puts a new record into a free slot (a set-aside one is replaced). nullptr: no memory.
    Pirq* add(std::uint32_t number, Line* line) HV_REQUIRES(lock);
    void remove(Pirq& pirq) HV_REQUIRES(lock); // out of its slot and freed
    // Tells the guest on its page whether `number` needs ends of interrupt.
    void note_need(std::uint32_t number, bool needed) HV_REQUIRES(lock);
    Result<void> set_eoi_page(GuestFrame frame, bool unmask) HV_REQUIRES(lock);
    [[nodiscard]] bool unmasks_on_end() const { return unmask_on_end_; }

private:
    Domain& domain_;
    Pirq** slots_ = nullptr;
    Mfn eoi_frame_ = kInvalidMfn;
    bool unmask_on_end_ = false;
};

inline bool needs_end(Line const& line)
{
    return line.mode.trigger == Trigger::Level;
}

} // namespace hv
