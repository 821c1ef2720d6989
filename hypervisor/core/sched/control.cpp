// SPDX-License-Identifier: MIT
// Blocking, waking, pausing: what makes a vCPU runnable or not.
#include <core/evtchn/event_channels.hpp>
#include <core/sched/run_queue.hpp>
#include <core/sched/scheduler.hpp>
#include <core/time/clock.hpp>
#include <lib/atomic.hpp>
#include <port/port.hpp>

namespace hv
{
namespace
{

using run_queue::RunQueue;

void wait_until_off(Vcpu const& vcpu)
{
    if (&vcpu == port::current())
        return;
    expect_no_lock_held(); // the other CPU may have to wait for it before it gets to where it lets the vCPU go
    while (load_acquire(vcpu.sched.running))
        spin_wait();
}

void place_all(Domain& domain)
{
    for (std::uint32_t id = 0; id < load_acquire(domain.vcpu_count); ++id)
        run_queue::place(*domain.vcpus[id]);
}

void sleep_all_nosync(Domain& domain)
{
    for (std::uint32_t id = 0; id < load_acquire(domain.vcpu_count); ++id)
        vcpu_sleep_nosync(*domain.vcpus[id]);
}

void sleep_all_sync(Domain& domain)
{
    sleep_all_nosync(domain);
    for (std::uint32_t id = 0; id < load_acquire(domain.vcpu_count); ++id)
        wait_until_off(*domain.vcpus[id]);
}

} // namespace

void vcpu_wake(Vcpu& vcpu)
{
    if ((fetch_and(vcpu.sched.stop, ~stop::kBlocked) & stop::kBlocked) != 0)
        run_queue::place(vcpu);
}

void vcpu_block(Vcpu& vcpu)
{
    fetch_or(vcpu.sched.stop, stop::kBlocked); // full barrier: announce first, then look
    if (event_pending(vcpu))
    {
        fetch_and(vcpu.sched.stop, ~stop::kBlocked);
        return;
    }
    port::request_own_schedule();
}

void vcpu_yield(Vcpu& vcpu)
{
    // With nobody waiting here the choice would be the same again. Whoever comes this moment pushes it aside by itself.
    if (load_relaxed(run_queue::queue_of(port::cpu_id().raw()).queued) == 0)
        return;
    vcpu.sched.yielded = true;
    port::request_own_schedule();
}

void vcpu_kick(Vcpu& vcpu)
{
    if ((load_relaxed(vcpu.sched.stop) & stop::kBlocked) != 0)
        vcpu_wake(vcpu);
    else if (&vcpu != port::current() && load_acquire(vcpu.sched.running))
        port::kick(CpuId{run_queue::cpu_of(vcpu.sched)});
}

// The usual way back to a guest does not look for NMIs. The queue's lock decides whether the vCPU is picked before or after:
// who was picked before is sent through the long way, who is picked later goes through it and sees the mark.
void vcpu_send_nmi(Vcpu& vcpu) HV_NO_THREAD_SAFETY
{
    store_release(vcpu.pv.nmi_pending, true);
    RunQueue& queue = run_queue::lock_unit(vcpu.sched);
    bool const running = load_relaxed(vcpu.sched.running);
    CpuId const cpu{run_queue::cpu_of(vcpu.sched)};
    queue.lock.unlock();
    if (running)
        port::request_schedule(cpu);
    else
        vcpu_wake(vcpu);
}

void vcpu_up(Vcpu& vcpu)
{
    fetch_and(vcpu.sched.stop, ~stop::kDown);
    run_queue::place(vcpu);
}

void vcpu_down(Vcpu& vcpu)
{
    fetch_or(vcpu.sched.stop, stop::kDown);
    vcpu_sleep_nosync(vcpu);
}

void vcpu_sleep_nosync(Vcpu& vcpu) HV_NO_THREAD_SAFETY
{
    SchedUnit& unit = vcpu.sched;
    RunQueue& queue = run_queue::lock_unit(unit);
    if (!run_queue::runnable(vcpu))
    {
        if (load_relaxed(unit.running))
        {
            port::request_schedule(CpuId{run_queue::cpu_of(unit)});
        }
        else
        {
            if (unit.queued)
                run_queue::remove(queue, unit);
            else if (unit.parked)
                run_queue::unpark(unit);
            int const state = run_queue::waiting_state(unit);
            if (vcpu.time.runstate.state != state)
                vcpu_runstate_change(vcpu, state, port::now());
        }
    }
    queue.lock.unlock();
}

void vcpu_sleep_sync(Vcpu& vcpu)
{
    vcpu_sleep_nosync(vcpu);
    wait_until_off(vcpu);
}

void vcpu_pause(Vcpu& vcpu)
{
    fetch_add(vcpu.sched.stop, stop::kPause);
    vcpu_sleep_sync(vcpu);
}

void vcpu_unpause(Vcpu& vcpu)
{
    HV_ASSERT(load_relaxed(vcpu.sched.stop) >= stop::kPause);
    fetch_sub(vcpu.sched.stop, stop::kPause);
    run_queue::place(vcpu);
}

void domain_pause(Domain& domain)
{
    fetch_add(domain.system_pause_count, 1u);
    sleep_all_sync(domain);
}

void domain_pause_nosync(Domain& domain)
{
    fetch_add(domain.system_pause_count, 1u);
    sleep_all_nosync(domain);
}

void domain_unpause(Domain& domain)
{
    HV_ASSERT(load_relaxed(domain.system_pause_count) != 0);
    if (fetch_sub(domain.system_pause_count, 1u) == 1)
        place_all(domain);
}

Result<void> domain_pause_by_controller(Domain& domain)
{
    std::uint32_t count = load_relaxed(domain.controller_pause_count);
    do
        HV_REQUIRE(count < 255, Errno::Overflow);
    while (!compare_exchange(domain.controller_pause_count, count, count + 1));
    sleep_all_sync(domain);
    return {};
}

Result<void> domain_unpause_by_controller(Domain& domain)
{
    std::uint32_t count = load_relaxed(domain.controller_pause_count);
    do
        HV_REQUIRE(count != 0, Errno::Inval);
    while (!compare_exchange(domain.controller_pause_count, count, count - 1));
    if (count == 1)
        place_all(domain);
    return {};
}

bool domain_descheduled(Domain const& domain)
{
    for (std::uint32_t id = 0; id < load_acquire(domain.vcpu_count); ++id)
        if (load_acquire(domain.vcpus[id]->sched.running))
            return false;
    return true;
}

} // namespace hv
