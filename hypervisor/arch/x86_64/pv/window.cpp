// SPDX-License-Identifier: MIT
// Descriptor windows: each vCPU's GDT and LDT at an address of its own, the same in every address space.
//
// A window's L1 entries are not global, so the full flush that starts every context load drops what a former owner of
// the slot or an older GDT left in the TLB. Entries of the vCPU that is loaded on this CPU are dropped one by one.
#include <arch/x86_64/cpu/descriptors.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/layout.hpp>
#include <arch/x86_64/pv/window.hpp>
#include <core/mm/allocator.hpp>
#include <core/mm/page_table.hpp>
#include <core/mm/pte.hpp>
#include <lib/spinlock.hpp>
#include <port/port.hpp>

#include <bit>

namespace hv
{
namespace
{

constexpr std::uint64_t kTableFlags = pte::kPresent | pte::kWritable | pte::kAccessed | pte::kDirty;
constexpr std::uint64_t kLeafFlags = kTableFlags | pte::kNoExecute;
constexpr std::uint32_t kSlots = 65536;
constexpr unsigned kLdtFirstPage = 16;
constexpr std::uint16_t kGdtLimit = 0xefff; // 14 pages of the guest's, and ours

SpinLock slots_lock{LockRank::WindowSlots};
std::uint64_t used[kSlots / 64] HV_GUARDED_BY(slots_lock) = {1}; // slot 0 is the boot window
std::uint32_t first_word HV_GUARDED_BY(slots_lock) = 0;          // no free slot in words below

std::uint32_t take_slot()
{
    Guard guard(slots_lock);
    for (; first_word < kSlots / 64; ++first_word)
    {
        if (used[first_word] == ~0ull)
            continue;
        auto const bit = static_cast<std::uint32_t>(std::countr_one(used[first_word]));
        used[first_word] |= 1ull << bit;
        return first_word * 64 + bit;
    }
    return 0;
}

void give_slot(std::uint32_t slot)
{
    Guard guard(slots_lock);
    used[slot / 64] &= ~(1ull << (slot % 64));
    first_word = slot / 64 < first_word ? slot / 64 : first_word;
}

SpinLock tables_lock{LockRank::WindowTables}; // creation of shared tables

// The L1 entry of `address` in the window area; creates tables on the way. nullptr when memory is out.
std::uint64_t* window_entry(std::uint64_t address)
{
    std::uint64_t entry = g_hypervisor_slots[pte::index(address, 4) - layout::kFirstSlot];
    for (unsigned level = 3; level >= 2; --level)
    {
        std::uint64_t& next = table_entries(pte::frame(entry))[pte::index(address, level)];
        if ((load_acquire(next) & pte::kPresent) == 0)
        {
            Guard guard(tables_lock);
            if ((next & pte::kPresent) == 0)
            {
                std::byte* page = allocate_zeroed_page();
                if (page == nullptr)
                    return nullptr;
                store_release(next, pte::make(frame_of(page), kTableFlags));
            }
        }
        entry = next;
    }
    return &table_entries(pte::frame(entry))[pte::index(address, 1)];
}

// The 32 entries of a slot lie in one L1, which exists from create_window() on.
std::uint64_t* entries_of(Vcpu const& vcpu)
{
    return window_entry(layout::window(vcpu.window_slot));
}

void set_entry(Vcpu const& vcpu, unsigned page, std::uint64_t entry)
{
    store_relaxed(entries_of(vcpu)[page], entry);
    if (load_relaxed(vcpu.loaded_cpu) == port::cpu_id().raw())
        invlpg(layout::window(vcpu.window_slot) + page * kPageSize);
}

Mfn zero_frame()
{
    alignas(kPageSize) static std::byte const page[kPageSize] = {};
    return frame_of_image(page);
}

} // namespace

Result<void> port::create_window(Vcpu& vcpu)
{
    std::uint32_t const slot = take_slot();
    HV_REQUIRE(slot != 0, Errno::NoMem);
    vcpu.window_slot = slot;
    vcpu.window_gdt = {kGdtLimit, layout::window(slot)};
    if (entries_of(vcpu) == nullptr)
    {
        give_slot(slot);
        vcpu.window_slot = 0;
        return Errno::NoMem;
    }
    set_entry(vcpu, layout::kReservedGdtPage, pte::make(frame_of_image(reserved_gdt_page()), kLeafFlags));
    map_gdt(vcpu);
    return {};
}

void port::destroy_window(Vcpu& vcpu)
{
    if (vcpu.window_slot == 0)
        return;
    std::uint64_t* entries = entries_of(vcpu);
    for (unsigned page = 0; page < 2 * kLdtFirstPage; ++page)
        store_relaxed(entries[page], 0);
    give_slot(vcpu.window_slot);
    vcpu.window_slot = 0;
}

void port::map_gdt(Vcpu& vcpu)
{
    // Unused pages show zeroes: a selector in them is a null descriptor, not a page fault.
    for (unsigned page = 0; page < layout::kGuestGdtPages; ++page)
    {
        Mfn const frame = vcpu.pv.gdt_frames[page];
        std::uint64_t const entry =
            frame == kInvalidMfn ? pte::make(zero_frame(), kLeafFlags & ~pte::kWritable) : pte::make(frame, kLeafFlags);
        if (entries_of(vcpu)[page] != entry)
            set_entry(vcpu, page, entry);
    }
}

void port::map_ldt_page(Vcpu& vcpu, unsigned page, Mfn frame)
{
    set_entry(vcpu, kLdtFirstPage + page, pte::make(frame, kLeafFlags));
}

void port::unmap_ldt(Vcpu& vcpu, Mfn (&frames)[16])
{
    for (unsigned page = 0; page < 16; ++page)
    {
        std::uint64_t const entry = entries_of(vcpu)[kLdtFirstPage + page];
        frames[page] = (entry & pte::kPresent) != 0 ? pte::frame(entry) : kInvalidMfn;
        if ((entry & pte::kPresent) != 0)
            set_entry(vcpu, kLdtFirstPage + page, 0);
    }
}

void port::load_ldt(Vcpu& vcpu)
{
    if (load_relaxed(vcpu.loaded_cpu) == port::cpu_id().raw())
        load_window_ldt(vcpu);
}

namespace
{

void load_ldt_selector(std::uint16_t selector)
{
    asm volatile("lldt %0" : : "r"(selector) : "memory");
}

[[gnu::noinline]] void load_present_ldt(Vcpu const& vcpu)
{
    CpuId const cpu = port::cpu_id();
    write_ldt_descriptor(cpu, layout::window(vcpu.window_slot) + layout::kWindowLdt, vcpu.pv.ldt_entries);
    load_ldt_selector(static_cast<std::uint16_t>(layout::kSelectorLdtFirst + 16 * cpu.raw()));
}

} // namespace

void load_window_ldt(Vcpu const& vcpu)
{
    if (vcpu.pv.ldt_entries != 0)
        load_present_ldt(vcpu);
    else
        load_ldt_selector(0);
}

void load_window_gdt(Vcpu const& vcpu)
{
    asm volatile("lgdt %0" : : "m"(vcpu.window_gdt) : "memory");
}

} // namespace hv
