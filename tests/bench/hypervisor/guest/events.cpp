// SPDX-License-Identifier: MIT
// Rows of event channels on one vCPU.
#include <tests/bench/hypervisor/guest/bench.hpp>
#include <tests/bench/hypervisor/guest/handlers.hpp>

namespace bench
{
namespace
{

std::uint32_t near_port = 0, far_port = 0;

void bind_loopback()
{
    abi::evtchn_alloc_unbound unbound{};
    unbound.dom = DOMID_SELF;
    unbound.remote_dom = DOMID_SELF;
    BENCH_REQUIRE(call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, guest::address(&unbound)), 0);
    abi::evtchn_bind_interdomain bind{};
    bind.remote_dom = DOMID_SELF;
    bind.remote_port = unbound.port;
    BENCH_REQUIRE(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, guest::address(&bind)), 0);
    near_port = bind.local_port;
    far_port = unbound.port;
}

// What the receiving end looks like before a send.
void set_state(bool pending, bool masked)
{
    abi::shared_info& shared = guest::shared();
    shared.evtchn_pending[0] = pending ? 1ul << far_port : 0;
    shared.evtchn_mask[0] = masked ? 1ul << far_port : 0;
    shared.vcpu_info[0].evtchn_pending_sel = 0;
    shared.vcpu_info[0].evtchn_upcall_pending = 0;
}

} // namespace

std::uint32_t loopback_port()
{
    return near_port;
}

std::uint32_t peer_of_loopback()
{
    return far_port;
}

void measure_events()
{
    bind_loopback();
    abi::evtchn_send send{near_port};
    auto const run = [&](unsigned) { call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, guest::address(&send)); };
    abi::shared_info& shared = guest::shared();
    shared.vcpu_info[0].evtchn_upcall_mask = 1;
    set_state(false, false);
    BENCH_REQUIRE(call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, guest::address(&send)), 0);
    BENCH_REQUIRE(shared.vcpu_info[0].evtchn_upcall_pending, 1);

    report("event_pending", least([](unsigned) { set_state(true, false); }, run));
    report("event_masked", least([](unsigned) { set_state(false, true); }, run));
    report("event_marks", least([](unsigned) { set_state(false, false); }, run));

    bench_upcall_pending = &shared.vcpu_info[0].evtchn_upcall_pending;
    bench_pending_selector = &shared.vcpu_info[0].evtchn_pending_sel;
    bench_pending_word = &shared.evtchn_pending[0];
    set_state(false, false);
    shared.vcpu_info[0].evtchn_upcall_mask = 0;
    std::uint64_t const before = bench_upcalls;
    std::uint64_t const instructions = least(run);
    BENCH_REQUIRE(bench_upcalls - before, kRounds);
    report("event_upcall", instructions);
    shared.vcpu_info[0].evtchn_upcall_mask = 1;
}

} // namespace bench
