// SPDX-License-Identifier: MIT
// Vector allocation per CPU and the one dispatcher of all interrupts.
#include <arch/x86_64/boot/direct_map.hpp>
#include <arch/x86_64/boot/memory_map.hpp>
#include <arch/x86_64/irq/local_apic.hpp>
#include <arch/x86_64/irq/vectors.hpp>
#include <arch/x86_64/smp/smp.hpp>
#include <arch/x86_64/smp/tlb.hpp>
#include <lib/log.hpp>
#include <lib/spinlock.hpp>

namespace hv
{
namespace
{

struct Slot
{
    InterruptHandler handler;
    void* context;
};

struct VectorTable
{
    Slot slots[256];
    std::uint64_t count;
    std::uint32_t running; // the vector whose handler runs now, 0 when none
};

VectorTable* tables[kMaxCpus];
SpinLock allocation_lock{LockRank::Vectors};

bool is_usable(unsigned vector)
{
    return vector != 0x80 && vector != 0x82;
}

void dispatch(VectorTable& table, TrapFrame& frame)
{
    Slot const& slot = table.slots[frame.vector & 0xff];
    store_relaxed(table.running, frame.vector);
    full_barrier(); // pairs with release_vector(): either it sees us running, or we see the slot empty
    InterruptHandler const handler = load_acquire(slot.handler);
    if (handler != nullptr)
        handler(slot.context, frame);
    store_release(table.running, 0u);
}

} // namespace

Result<std::uint8_t> allocate_vector(CpuId cpu, InterruptHandler handler, void* context)
{
    Guard guard(allocation_lock);
    VectorTable& table = *tables[cpu.raw()];
    for (unsigned vector = vector::kDynamicFirst; vector <= vector::kDynamicLast; ++vector)
    {
        Slot& slot = table.slots[vector];
        if (slot.handler != nullptr || !is_usable(vector))
            continue;
        slot.context = context;
        store_release(slot.handler, handler);
        return static_cast<std::uint8_t>(vector);
    }
    return Errno::NoSpc;
}

Result<std::uint8_t> allocate_vector_block(CpuId cpu, InterruptHandler handler, std::span<Line*> contexts)
{
    Guard guard(allocation_lock);
    VectorTable& table = *tables[cpu.raw()];
    auto const count = static_cast<unsigned>(contexts.size());
    for (unsigned first = (vector::kDynamicFirst + count - 1) & ~(count - 1); first + count - 1 <= vector::kDynamicLast;
         first += count)
    {
        bool free = true;
        for (unsigned i = 0; i < count; ++i)
            free = free && table.slots[first + i].handler == nullptr && is_usable(first + i);
        if (!free)
            continue;
        for (unsigned i = 0; i < count; ++i)
        {
            table.slots[first + i].context = contexts[i];
            store_release(table.slots[first + i].handler, handler);
        }
        return static_cast<std::uint8_t>(first);
    }
    return Errno::NoSpc;
}

void release_vector(CpuId cpu, std::uint8_t vector)
{
    VectorTable& table = *tables[cpu.raw()];
    store_relaxed(table.slots[vector].handler, nullptr);
    full_barrier();
    while (cpu.raw() != this_cpu().id && load_acquire(table.running) == vector)
        spin_wait();
}

MsiMessage msi_message(CpuId cpu, std::uint8_t vector)
{
    return {0xfee00000u | ((cpu_local(cpu).apic_id & 0xff) << 12), vector};
}

std::uint64_t interrupt_count(CpuId cpu)
{
    return load_relaxed(tables[cpu.raw()]->count);
}

void create_vector_table(CpuId cpu)
{
    tables[cpu.raw()] = direct_map<VectorTable>(boot_allocate(sizeof(VectorTable)));
}

} // namespace hv

extern "C" void handle_interrupt(hv::TrapFrame& frame)
{
    using namespace hv;
    CpuLocal& cpu = this_cpu();
    VectorTable& table = *tables[cpu.id];
    store_relaxed(table.count, table.count + 1);
    switch (frame.vector)
    {
    case vector::kTimer: fetch_or(cpu.work, work::kTimer); break;
    case vector::kKick: break;
    case vector::kFlush: serve_flush(); break;
    case vector::kCall:
        local_apic_end_of_interrupt(); // first: the function may take long, and others may call meanwhile
        serve_call();
        return;
    case vector::kSpurious: return;
    case vector::kError: log_warning("CPU {}: local APIC error {x}", cpu.id, local_apic_error()); break;
    default:
        if (frame.vector <= vector::kPicLast)
            return;
        dispatch(table, frame);
        break;
    }
    local_apic_end_of_interrupt();
}
