// SPDX-License-Identifier: MIT
// A list of announced functions; hundreds at most, changed rarely.
#include <core/irq/pci_devices.hpp>

#include <core/irq/msi.hpp>
#include <core/irq/pirq.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/device_memory.hpp>
#include <lib/spinlock.hpp>

namespace hv
{
namespace
{

struct FrameRange // [first, end)
{
    Mfn first{0};
    Mfn end{0};
    bool operator==(FrameRange const&) const = default;
    [[nodiscard]] bool empty() const { return first == end; }
};

struct Announced
{
    PciFunction function{};
    FrameRange table;
    FrameRange pending; // empty when it shares the table's frames
    Announced* next = nullptr;
};

constinit SpinLock list_lock{LockRank::PciDevices};
constinit Announced* list = nullptr; // list_lock

Announced* find(PciFunction function) HV_REQUIRES(list_lock)
{
    for (Announced* entry = list; entry != nullptr; entry = entry->next)
        if (entry->function == function)
            return entry;
    return nullptr;
}

FrameRange frames_of(MachineAddress start, std::uint64_t bytes)
{
    return {to_mfn(start), to_mfn(start + (bytes + kPageSize - 1))};
}

Result<void> protect(FrameRange range)
{
    return range.empty() ? Result<void>{} : set_device_frames_read_only(range.first, range.end, true);
}

void release(FrameRange range)
{
    if (!range.empty())
        set_device_frames_read_only(range.first, range.end, false).value();
}

// Protects what the function's registers name now, instead of what they named before.
Result<void> follow(Announced& entry) HV_REQUIRES(list_lock)
{
    MsixTable const found = HV_TRY(msix_table(entry.function));
    FrameRange table, pending;
    if (found.entries != 0)
    {
        table = frames_of(found.table, std::uint64_t{found.entries} * 16);
        pending = frames_of(found.pending, (std::uint64_t{found.entries} + 63) / 64 * 8);
        if (pending.first >= table.first && pending.end <= table.end)
            pending = {};
    }
    if (table == entry.table && pending == entry.pending)
        return {};
    HV_TRY_VOID(protect(table));
    if (auto const done = protect(pending); !done)
    {
        release(table);
        return done;
    }
    release(entry.table);
    release(entry.pending);
    entry.table = table;
    entry.pending = pending;
    return {};
}

void unlink(Announced const* gone) HV_REQUIRES(list_lock)
{
    for (Announced** link = &list; *link != nullptr; link = &(*link)->next)
        if (*link == gone)
        {
            *link = gone->next;
            return;
        }
}

} // namespace

Result<void> announce_pci_function(PciFunction function)
{
    Guard guard(list_lock);
    if (Announced* const known = find(function); known != nullptr)
        return follow(*known);
    auto* const made = heap_new<Announced>();
    HV_REQUIRE(made != nullptr, Errno::NoMem);
    made->function = function;
    if (auto const done = follow(*made); !done)
    {
        heap_delete(made);
        return done;
    }
    made->next = list;
    list = made;
    return {};
}

Result<void> remove_pci_function(PciFunction function)
{
    HV_REQUIRE(!has_messages(function), Errno::Busy);
    Guard guard(list_lock);
    Announced* const known = find(function);
    HV_REQUIRE(known != nullptr, Errno::NoDev);
    release(known->table);
    release(known->pending);
    unlink(known);
    heap_delete(known);
    return {};
}

} // namespace hv
