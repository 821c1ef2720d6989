// SPDX-License-Identifier: MIT
// Who runs where: proportional share with weights and caps over per-CPU queues, reported to the tools as credit2.
//
// Every vCPU has a virtual time, the service it received divided by its weight. A CPU runs the runnable one with the
// least; queues look at each other's least and take over whoever has fallen behind, so virtual times agree across CPUs.
// A vCPU that wakes gets at most kWakeCredit of lead over the queue's present time: enough to preempt at once.
//
// Locks: one per run queue. Below it: DomainShare::lock, timer heaps. Callers of functions named *_sync hold no lock at
// all, since they wait for another CPU to pass through its exit path. All others may be called with any lock held but
// those of the scheduler and timers.
#pragma once

#include <core/domain/domain.hpp>
#include <lib/atomic.hpp>
#include <lib/cpu_mask.hpp>
#include <lib/result.hpp>
#include <lib/spinlock.hpp>
#include <port/port.hpp>

namespace hv
{

// ---- life of a unit
// A new vCPU: down, placed on an online CPU. `vcpu.sched.vcpu` and its timers are set up here. Cannot fail.
void sched_unit_create(Vcpu& vcpu);
// The vCPU is about to be freed: it must be down or its domain dying, and off its CPU (vcpu_sleep_sync).
void sched_unit_destroy(Vcpu& vcpu);
// A domain's share: set up before its first unit, taken down after its last.
void sched_domain_create(Domain& domain);
void sched_domain_destroy(Domain& domain);

// ---- blocking and waking
void vcpu_wake(Vcpu& vcpu);  // ends kBlocked; queues it when nothing else stops it
void vcpu_block(Vcpu& vcpu); // current only: blocks unless an event is deliverable
void vcpu_yield(Vcpu& vcpu); // current only: lets others run first
// An event became pending for `vcpu`: wakes it, or makes it look at its events soon when it runs on another CPU.
void vcpu_kick(Vcpu& vcpu);
// Whether that does anything.
inline bool wants_kick(Vcpu const& vcpu)
{
    return (load_relaxed(vcpu.sched.stop) & stop::kBlocked) != 0 ||
           (&vcpu != port::current() && load_acquire(vcpu.sched.running));
}
// Delivers an NMI to the vCPU, and wakes it if it is blocked. Takes the lock of its queue.
void vcpu_send_nmi(Vcpu& vcpu);

// ---- stopping and starting
void vcpu_up(Vcpu& vcpu);           // clears kDown
void vcpu_down(Vcpu& vcpu);         // sets kDown; does not wait
void vcpu_sleep_nosync(Vcpu& vcpu); // something now stops it: off the queue, or off its CPU soon
void vcpu_sleep_sync(Vcpu& vcpu);   // and waits until its context is saved (not for the caller itself)
void vcpu_pause(Vcpu& vcpu);        // nested; waits like sleep_sync
void vcpu_unpause(Vcpu& vcpu);
// Nested. The plain form returns when all vCPUs are off their CPUs with saved contexts, the caller's own excepted.
void domain_pause(Domain& domain);
void domain_pause_nosync(Domain& domain);
void domain_unpause(Domain& domain);
// The tools' own nested pause: Overflow beyond 255, Inval when unpaused at 0. Waits like domain_pause.
Result<void> domain_pause_by_controller(Domain& domain);
Result<void> domain_unpause_by_controller(Domain& domain);
// No vCPU of it is on a CPU.
bool domain_descheduled(Domain const& domain);

// ---- what the architecture calls
// Chooses who runs on this CPU now (nullptr: idle), with run states and virtual times accounted. Called on the exit path
// when work::kSchedule is set, with port::current() still the old one. The result may be the old one; if it is another,
// the caller calls vcpu_time_on_schedule_out(old) while that is still current, and sched_context_saved(old) later.
[[nodiscard]] Vcpu* schedule(CpuId cpu) HV_NO_THREAD_SAFETY;
// The state of `vcpu`, which schedule() has replaced, is complete in memory: others may run or inspect it.
void sched_context_saved(Vcpu& vcpu) HV_NO_THREAD_SAFETY;
// A CPU came online: its queue may be given work. The boot CPU too.
void sched_cpu_online(CpuId cpu);

// ---- parameters
Result<void> sched_set_weight(Domain& domain, std::uint32_t weight); // 1..65535, else Inval
Result<void> sched_set_cap(Domain& domain, std::uint32_t percent);   // of one CPU, 0 = none; above 100 * vcpus: Inval
// Inval when a mask holds no online CPU; a null pointer leaves that mask alone. Moves the vCPU when it must.
Result<void> sched_set_affinity(Vcpu& vcpu, CpuMask const* hard, CpuMask const* soft);
Result<void> sched_pin_override(Vcpu& vcpu, std::int32_t cpu); // negative: ends it (Inval when none); Busy when pinned
std::uint32_t sched_ratelimit_us();
Result<void> sched_set_ratelimit_us(std::uint32_t microseconds); // Inval above 500000

// ---- reports
struct SchedCounts
{
    std::uint32_t runnable; // queued and running
    std::uint64_t idle_nanoseconds;
};
SchedCounts sched_cpu_counts(CpuId cpu);
enum class VcpuActivity : std::uint8_t
{
    Running,
    Runnable,
    Blocked,
    Offline,
};
VcpuActivity vcpu_activity(Vcpu const& vcpu);

} // namespace hv
