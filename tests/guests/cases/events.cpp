// SPDX-License-Identifier: MIT
// Event channels, polling and timers as the ABI promises (gotchas 12, 45, 46, 55, 57).
#include <tests/guests/runtime/guest.hpp>

using namespace guest;

namespace
{

std::uint32_t self_channel()
{
    abi::evtchn_alloc_unbound unbound{};
    unbound.dom = DOMID_SELF;
    unbound.remote_dom = DOMID_SELF;
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, address(&unbound)), 0);
    abi::evtchn_bind_interdomain bind{};
    bind.remote_dom = DOMID_SELF;
    bind.remote_port = unbound.port;
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, address(&bind)), 0);
    abi::evtchn_send send{unbound.port};
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, address(&send)), 0);
    return bind.local_port;
}

bool pending(std::uint32_t port)
{
    return (shared().evtchn_pending[port / 64] >> (port % 64) & 1) != 0;
}

void sends()
{
    shared().vcpu_info[0].evtchn_upcall_mask = 1;
    std::uint32_t const port = self_channel();
    EXPECT(pending(port));
    EXPECT_EQ(shared().vcpu_info[0].evtchn_upcall_pending, 1);
    abi::evtchn_send send{99999};
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, address(&send)), -22);
    send.port = 0;
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, address(&send)), -22);
    abi::evtchn_close close{port};
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_close, address(&close)), 0);
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_close, address(&close)), -22);
}

long poll(std::uint32_t* ports, unsigned count, std::uint64_t timeout)
{
    abi::sched_poll args{};
    args.ports.p = ports;
    args.nr_ports = count;
    args.timeout = timeout;
    return call(__HYPERVISOR_sched_op, SCHEDOP_poll, address(&args));
}

void polls()
{
    shared().vcpu_info[0].evtchn_upcall_pending = 0;
    std::uint32_t port = 99999;
    EXPECT_EQ(poll(&port, 1, 1), -22);
    EXPECT_EQ(poll(&port, 129, 1), -22);
    EXPECT_EQ(poll(nullptr, 0, 1), 0); // a deadline long past
}

void timers()
{
    abi::evtchn_bind_virq virq{};
    virq.virq = VIRQ_TIMER;
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, address(&virq)), 0);
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, address(&virq)), -17);
    abi::vcpu_set_singleshot_timer timer{1, 0};
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, address(&timer)), 0);
    std::uint32_t port = virq.port;
    EXPECT_EQ(poll(&port, 1, 0), 0); // the past fires at once
    EXPECT(pending(port));
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 0, 0), 1);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_is_up, 8191, 0), -2);
    EXPECT(call(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 500, address(page(0))) < 0);
}

void debug_registers()
{
    EXPECT_EQ(call(__HYPERVISOR_set_debugreg, 0, 0xffff830000001000), -1); // XSA-444
    EXPECT_EQ(call(__HYPERVISOR_set_debugreg, 0, 0x8000000000000000), -1);
    EXPECT_EQ(call(__HYPERVISOR_set_debugreg, 7, 1ull << 32), -22);
    EXPECT_EQ(call(__HYPERVISOR_set_debugreg, 0, address(page(1))), 0);
    EXPECT_EQ(call(__HYPERVISOR_get_debugreg, 0), address(page(1)));
    EXPECT_EQ(call(__HYPERVISOR_set_debugreg, 7, 0xd0401), 0); // write, 8 bytes wide is RW0=01 LEN0=10+01
    unsigned const before = trap_count;
    page(1)[0] = 1;
    EXPECT(trap_count == before + 1 && last_trap.vector == 1);
    EXPECT_EQ(call(__HYPERVISOR_set_debugreg, 7, 0x400), 0);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    sends();
    polls();
    timers();
    debug_registers();
    finish();
}
