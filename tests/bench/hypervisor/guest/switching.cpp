// SPDX-License-Identifier: MIT
// Rows of two vCPUs that share one CPU: wake-ups, yields, switches.
#include <tests/bench/hypervisor/guest/bench.hpp>
#include <tests/bench/hypervisor/guest/handlers.hpp>

namespace bench
{
namespace
{

// What the second vCPU does; it sleeps between changes.
enum class Task : unsigned
{
    Poll,   // wait for an event, count it, wait again
    Answer, // the same, with an event back
    Yield,  // let the other one run
};
unsigned task = 0;
std::uint64_t turns = 0; // how often the second vCPU came by

std::uint64_t stack[1024];

[[gnu::always_inline]] inline void poll(std::uint32_t* port)
{
    abi::sched_poll arguments{};
    arguments.ports.p = port;
    arguments.nr_ports = 1;
    call(__HYPERVISOR_sched_op, SCHEDOP_poll, guest::address(&arguments));
}

[[gnu::always_inline]] inline void send(std::uint32_t port)
{
    abi::evtchn_send arguments{port};
    call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, guest::address(&arguments));
}

// Takes the event away, so that the next poll sleeps. Both ports are below 64.
[[gnu::always_inline]] inline void consume(std::uint32_t port, unsigned vcpu)
{
    abi::shared_info& shared = guest::shared();
    __atomic_fetch_and(&shared.evtchn_pending[0], ~(1ul << port), __ATOMIC_SEQ_CST);
    shared.vcpu_info[vcpu].evtchn_pending_sel = 0;
    shared.vcpu_info[vcpu].evtchn_upcall_pending = 0;
}

[[gnu::always_inline]] inline void yield()
{
    call(__HYPERVISOR_sched_op, SCHEDOP_yield);
}

void set_task(Task wanted)
{
    __atomic_store_n(&task, static_cast<unsigned>(wanted), __ATOMIC_SEQ_CST);
}

// Until the second vCPU has done what it had and sleeps: it does not come by any more.
void settle()
{
    for (unsigned quiet = 0; quiet < 4;)
    {
        std::uint64_t const before = __atomic_load_n(&turns, __ATOMIC_SEQ_CST);
        yield();
        quiet = __atomic_load_n(&turns, __ATOMIC_SEQ_CST) == before ? quiet + 1 : 0;
    }
}

void start_second()
{
    static abi::vcpu_guest_context context;
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = reinterpret_cast<std::uint64_t>(bench_second_entry);
    context.user_regs.rsp = guest::address(stack + 1024) - 8;
    context.user_regs.rflags = 0x202;
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = guest::address(stack + 1024) - 8;
    context.ctrlreg[0] = 0x80050033;
    context.ctrlreg[3] = guest::frame_of(reinterpret_cast<void const*>(guest::start_info->pt_base)) << 12;
    BENCH_REQUIRE(call(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, guest::address(&context)), 0);
    abi::evtchn_bind_vcpu bind{peer_of_loopback(), 1};
    BENCH_REQUIRE(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_vcpu, guest::address(&bind)), 0);
    BENCH_REQUIRE(call(__HYPERVISOR_vcpu_op, VCPUOP_up, 1), 0);
}

// The least cost of a send to the sleeping second vCPU in which that one did not yet run.
std::uint64_t measure_wake()
{
    std::uint64_t best = ~0ull;
    for (unsigned round = 0; round < kRounds; ++round)
    {
        settle();
        std::uint64_t const before = __atomic_load_n(&turns, __ATOMIC_SEQ_CST);
        std::uint64_t const start = ticks();
        send(loopback_port());
        std::uint64_t const taken = ticks() - start;
        if (__atomic_load_n(&turns, __ATOMIC_SEQ_CST) == before && taken < best)
            best = taken;
    }
    return best == ~0ull ? 0 : best - empty_cost;
}

} // namespace

void measure_switching()
{
    guest::shared().vcpu_info[1].evtchn_upcall_mask = 1;
    report("yield_alone", least([](unsigned) { yield(); }));
    std::uint32_t own = loopback_port();
    consume(own, 0);
    consume(peer_of_loopback(), 1);
    set_task(Task::Poll);
    start_second();
    settle();
    report("event_wakes", measure_wake());

    settle();
    set_task(Task::Answer);
    std::uint64_t const before = turns;
    report("wake_and_back", least([&](unsigned) {
               send(own);
               poll(&own);
               consume(own, 0);
           }));
    BENCH_REQUIRE(turns - before, kRounds);

    set_task(Task::Yield);
    send(own);
    for (unsigned i = 0; i < 4; ++i)
        yield();
    std::uint64_t const yields = turns;
    report("yield_pair", least([](unsigned) { yield(); }));
    BENCH_REQUIRE(turns - yields >= kRounds, 1);
    set_task(Task::Poll);
    settle();
}

} // namespace bench

void bench_second_vcpu()
{
    using namespace bench;
    std::uint32_t own = peer_of_loopback();
    for (;;)
    {
        if (__atomic_load_n(&task, __ATOMIC_SEQ_CST) == static_cast<unsigned>(Task::Yield))
        {
            ++turns;
            yield();
            continue;
        }
        poll(&own);
        if ((__atomic_load_n(&guest::shared().evtchn_pending[0], __ATOMIC_SEQ_CST) >> own & 1) == 0)
            continue;
        consume(own, 1);
        ++turns;
        if (__atomic_load_n(&task, __ATOMIC_SEQ_CST) == static_cast<unsigned>(Task::Answer))
            send(own);
    }
}
