// SPDX-License-Identifier: MIT
// The shootdown handshake; see tlb.hpp for its contract.
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/cpu/setup.hpp>
#include <arch/x86_64/irq/local_apic.hpp>
#include <arch/x86_64/irq/vectors.hpp>
#include <arch/x86_64/pv/switch.hpp>
#include <arch/x86_64/smp/smp.hpp>
#include <arch/x86_64/smp/tlb.hpp>
#include <core/mm/tlb_clock.hpp>
#include <lib/spinlock.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

struct Request
{
    port::Flush kind;
    std::uint64_t address;
    std::uint64_t waiting_for; // bit per CPU that has not flushed yet
};

alignas(64) SpinLock request_lock{LockRank::TlbRequest};
alignas(64) Request request;

void flush_here(port::Flush kind, std::uint64_t address)
{
    switch (kind)
    {
    case port::Flush::NonGlobal: write_cr3(read_cr3()); break;
    case port::Flush::All: flush_everything(); break;
    case port::Flush::Page: invlpg(address); break;
    }
}

} // namespace

void flush_everything()
{
    flush_everything(this_cpu(), read_cr4());
}

void flush_everything(CpuLocal& cpu, std::uint64_t cr4)
{
    note_full_flush(CpuId{cpu.id});
    store_relaxed(cpu.flush_count, cpu.flush_count + 1);
    if ((cr4 & cr4::kPge) == 0)
    {
        write_cr4(cr4);
        write_cr3(read_cr3());
        return;
    }
    write_cr4(cr4 & ~cr4::kPge);
    write_cr4(cr4);
}

void serve_flush()
{
    std::uint64_t const self = 1ull << this_cpu().id;
    if ((load_acquire(request.waiting_for) & self) == 0)
        return;
    if (request.kind == port::Flush::All)
        drop_lazy_state(); // the vCPU that we carry without running it: whoever asks may be about to take it
    flush_here(request.kind, request.address);
    fetch_and(request.waiting_for, ~self);
}

void spin_wait()
{
    pause();
    serve_flush();
}

extern "C" void spin_step();
extern "C" void spin_step()
{
    spin_wait();
}

std::uint32_t port::remote_flushes()
{
    return this_cpu().remote_flushes;
}

void port::flush_own_tlb(Flush kind, GuestVirtual address)
{
    flush_here(kind, address.raw());
}

namespace
{

[[gnu::noinline]] void flush_several(CpuMask targets, port::Flush kind, GuestVirtual address)
{
    CpuId const self{this_cpu().id};
    CpuMask const online = targets & online_cpu_mask();
    CpuMask const others = online & ~CpuMask::of(self);
    if (!others.empty())
    {
        ++this_cpu().remote_flushes;
        Guard guard(request_lock);
        request.kind = kind;
        request.address = address.raw();
        exchange(request.waiting_for, others.bits());
        others.for_each([](CpuId cpu) { send_ipi(cpu, vector::kFlush); });
        if (online.test(self))
            flush_here(kind, address.raw());
        while (load_acquire(request.waiting_for) != 0)
            pause(); // nobody can wait for us: the only request under way is ours
    }
    else if (online.test(self))
    {
        flush_here(kind, address.raw());
    }
}

} // namespace

void port::flush_tlb(CpuMask targets, Flush kind, GuestVirtual address)
{
    if (targets.bits() == 1ull << this_cpu().id)
        flush_here(kind, address.raw());
    else
        flush_several(targets, kind, address);
}

} // namespace hv
