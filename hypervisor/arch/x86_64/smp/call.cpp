// SPDX-License-Identifier: MIT
// run_on(): one function on many CPUs at once, and the small messages to single CPUs.
#include <arch/x86_64/cpu/cpu_local.hpp>
#include <arch/x86_64/cpu/instructions.hpp>
#include <arch/x86_64/irq/local_apic.hpp>
#include <arch/x86_64/irq/vectors.hpp>
#include <arch/x86_64/smp/smp.hpp>
#include <arch/x86_64/smp/tlb.hpp>
#include <lib/spinlock.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

struct Call
{
    void (*function)(void*);
    void* argument;
    std::uint64_t to_start; // CPUs that have not begun
    std::uint64_t to_finish;
};

SpinLock call_lock{LockRank::RemoteCall};
alignas(64) Call call;

// Waiting must serve both kinds of requests, or two callers could wait for each other.
void wait_step()
{
    serve_call();
    spin_wait();
}

} // namespace

void serve_call()
{
    std::uint64_t const self = 1ull << this_cpu().id;
    if ((load_acquire(call.to_start) & self) == 0 || (fetch_and(call.to_start, ~self) & self) == 0)
        return;
    call.function(call.argument);
    fetch_and(call.to_finish, ~self);
}

void run_on(CpuMask targets, void (*function)(void* argument), void* argument)
{
    CpuId const self{this_cpu().id};
    CpuMask const online = targets & online_cpu_mask();
    CpuMask const others = online & ~CpuMask::of(self);
    if (!others.empty())
    {
        call_lock.lock(wait_step);
        call.function = function;
        call.argument = argument;
        store_relaxed(call.to_finish, others.bits());
        exchange(call.to_start, others.bits()); // publishes all of the above
        others.for_each([](CpuId cpu) { send_ipi(cpu, vector::kCall); });
        if (online.test(self))
            function(argument);
        while (load_acquire(call.to_finish) != 0)
            spin_wait();
        call_lock.unlock();
    }
    else if (online.test(self))
    {
        function(argument);
    }
}

void port::kick(CpuId cpu)
{
    if (cpu.raw() != this_cpu().id)
        send_ipi(cpu, vector::kKick); // this CPU is inside the hypervisor: its exit path is still to come
}

void port::request_own_schedule()
{
    fetch_or(this_cpu().work, work::kSchedule);
}

void port::request_schedule(CpuId cpu)
{
    std::uint32_t const before = fetch_or(cpu_local(cpu).work, work::kSchedule);
    if ((before & work::kSchedule) == 0)
        kick(cpu);
}

} // namespace hv
