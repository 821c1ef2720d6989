// SPDX-License-Identifier: MIT
// Page faults.
#include <arch/x86_64/pv/page_fault.hpp>

#include <arch/x86_64/entry/fixup.hpp>
#include <arch/x86_64/pv/bounce.hpp>
#include <arch/x86_64/pv/emulation.hpp>
#include <arch/x86_64/pv/guest_iret_instruction.hpp>
#include <core/domain/roots.hpp>
#include <core/emulate/page_table_write.hpp>
#include <core/mm/deferred.hpp>
#include <core/mm/device_memory.hpp>
#include <core/mm/page_table.hpp>
#include <core/mm/pte.hpp>
#include <core/trace/count.hpp>

namespace hv
{
namespace
{

constexpr std::uint32_t kErrorPresent = 1u << 0;
constexpr std::uint32_t kErrorWrite = 1u << 1;
constexpr std::uint32_t kErrorUser = 1u << 2;
constexpr std::uint32_t kErrorReserved = 1u << 3;
constexpr std::uint32_t kErrorFetch = 1u << 4;
constexpr std::uint8_t kDebug = 1;
constexpr std::int32_t kDeferredBudget = 2048;

// The LDT half of the window of `vcpu`: page number or -1.
int ldt_window_page(Vcpu const& vcpu, std::uint64_t address)
{
    std::uint64_t const start = layout::window(vcpu.window_slot) + layout::kWindowLdt;
    if (address < start || address >= start + 16 * kPageSize)
        return -1;
    return static_cast<int>((address - start) >> kPageShift);
}

// The page fault that the guest would have had if its LDT were where it thinks it is.
void ldt_fault_to_guest(Vcpu& vcpu, TrapFrame& frame, std::uint64_t address)
{
    std::uint64_t const offset = address - (layout::window(vcpu.window_slot) + layout::kWindowLdt);
    deliver_page_fault(vcpu, frame, vcpu.pv.ldt_base + offset, frame.error_code & ~kErrorPresent);
}

enum class StoreOutcome : std::uint8_t
{
    NotOurs, // not a store that we carry out: the guest gets its fault
    Done,
    DoneWithTrap,
};

// A store by the guest kernel to an L1 table that it may only read: carried out as an update of the entry.
// The table is looked up and changed under mmu_lock; a racing change makes the plan start over.
StoreOutcome emulate_table_store(Vcpu& vcpu, TrapFrame& frame, std::uint64_t address)
{
    Domain& domain = vcpu.domain();
    GuestEmulation emulation(vcpu, frame);
    emulate::PageTableWrite write;
    if (!write.decode(emulation.context(), address))
        return StoreOutcome::NotOurs;
    Guard guard(domain.mmu_lock);
    // A long teardown that an earlier call left behind goes on piece by piece: the store simply faults again meanwhile. It
    // comes before every look at tables, since it may take away the one that is looked for.
    Budget budget(kDeferredBudget);
    if (!finish_deferred(domain, budget))
        return StoreOutcome::Done;
    auto const slot = find_leaf(vcpu.pv.kernel_root, write.entry_address());
    if (!slot || (slot.value().entry & pte::kPresent) == 0 || (slot.value().entry & pte::kWritable) != 0)
        return StoreOutcome::NotOurs;
    Mfn const table = pte::frame(slot.value().entry);
    FrameInfo const* info = frame_info(table);
    if (info == nullptr || info->owner() != domain.id() || info->type() != FrameType::L1 || !info->validated() ||
        info->type_count() == 0)
        return StoreOutcome::NotOurs;
    unsigned const index = static_cast<unsigned>(write.entry_address() & (kPageSize - 1)) / 8;
    MappingRights const rights{domain, domain.id()};
    for (;;)
    {
        std::uint64_t const current = load_relaxed(table_entries(table)[index]);
        auto const plan = write.plan(emulation.context(), current);
        if (plan.stores)
        {
            auto const updated = update_leaf_if(rights, table, index, current, plan.entry);
            if (!updated && updated.error() == Errno::Again)
                continue;
            if (!updated)
                return StoreOutcome::NotOurs;
        }
        count(vcpu, Counter::Page_table_write_emulated);
        return write.commit(emulation.context(), plan) ? StoreOutcome::DoneWithTrap : StoreOutcome::Done;
    }
}

// A store of the control domain to device memory that is read-only for it (MSI-X tables): skipped.
StoreOutcome drop_device_store(Vcpu& vcpu, TrapFrame& frame, std::uint64_t address)
{
    {
        Guard guard(vcpu.domain().mmu_lock);
        auto const slot = find_leaf(vcpu.pv.kernel_root, address);
        if (!slot || (slot.value().entry & pte::kPresent) == 0 ||
            !device_frame_read_only(pte::frame(slot.value().entry)))
            return StoreOutcome::NotOurs;
    }
    GuestEmulation emulation(vcpu, frame);
    emulate::PageTableWrite write;
    if (!write.decode(emulation.context(), address))
        return StoreOutcome::NotOurs;
    auto const plan = write.plan(emulation.context(), 0);
    return write.commit(emulation.context(), plan) ? StoreOutcome::DoneWithTrap : StoreOutcome::Done;
}

// A store to what is there and read-only for the guest's own good; true when it has been carried out.
[[gnu::noinline]] bool read_only_store(Vcpu& vcpu, TrapFrame& frame, std::uint64_t address)
{
    StoreOutcome outcome = StoreOutcome::NotOurs;
    if ((vcpu.domain().vm_assist & (1u << VMASST_TYPE_writable_pagetables)) != 0)
        outcome = emulate_table_store(vcpu, frame, address);
    if (outcome == StoreOutcome::NotOurs && vcpu.domain().control)
        outcome = drop_device_store(vcpu, frame, address);
    if (outcome == StoreOutcome::DoneWithTrap)
        deliver_exception(vcpu, frame, kDebug, 0);
    return outcome != StoreOutcome::NotOurs;
}

bool may_be_table_store(Vcpu const& vcpu, std::uint32_t error)
{
    return vcpu.pv.in_kernel && (error & (kErrorPresent | kErrorWrite | kErrorFetch)) == (kErrorPresent | kErrorWrite);
}

} // namespace

void guest_page_fault(Vcpu& vcpu, TrapFrame& frame, std::uint64_t address)
{
    // Most faults are of pages that are not there, and those are the guest's own business wherever they are.
    if ((frame.error_code & kErrorPresent) != 0)
    {
        if (may_be_table_store(vcpu, frame.error_code) && is_guest_address(address) &&
            read_only_store(vcpu, frame, address))
            return;
        bool const supervisor_read = (frame.error_code & (kErrorWrite | kErrorUser)) == 0;
        if (supervisor_read && is_guest_address(address) && emulate_guest_iret_instruction(vcpu, frame))
            return;
    }
    else if (address >= kHypervisorStart && address < kHypervisorEnd) [[unlikely]]
        if (int const page = ldt_window_page(vcpu, address); page >= 0)
        {
            if (!map_ldt_page(vcpu, static_cast<unsigned>(page)))
                ldt_fault_to_guest(vcpu, frame, address);
            return;
        }
    deliver_page_fault(vcpu, frame, address, frame.error_code);
}

bool own_page_fault_resolved(TrapFrame const& frame, std::uint64_t address)
{
    CpuLocal& cpu = this_cpu();
    Vcpu* const vcpu = cpu.current;
    if (vcpu == nullptr)
        return false;
    if (int const page = ldt_window_page(*vcpu, address); page >= 0)
        return map_ldt_page(*vcpu, static_cast<unsigned>(page));
    if (find_fixup(frame.rip) == 0 || !is_guest_address(address) || (frame.error_code & kErrorReserved) != 0)
        return false;
    // The translation in the TLB may have been older and stricter than what the tables say: then the copy goes on.
    return access_allowed_now(to_mfn(MachineAddress{cpu.loaded_root}), vcpu->domain().id(), address,
                              (frame.error_code & kErrorWrite) != 0);
}

} // namespace hv
