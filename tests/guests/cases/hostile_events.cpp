// SPDX-License-Identifier: MIT
// Event channels of a guest that lies: scribbled FIFO words, moved ports, a reset among it all (gotchas 45-48).
#include <tests/guests/runtime/child.hpp>

using namespace guest;

namespace
{

long event(unsigned command, void* args)
{
    return call(__HYPERVISOR_event_channel_op, command, address(args));
}

long poll(std::uint32_t port, std::uint64_t timeout)
{
    abi::sched_poll args{};
    args.ports.p = &port;
    args.nr_ports = 1;
    args.timeout = timeout;
    return call(__HYPERVISOR_sched_op, SCHEDOP_poll, address(&args));
}

bool pending(std::uint32_t port)
{
    return (shared().evtchn_pending[port / 64] >> (port % 64) & 1) != 0;
}

void masked_ports_wake_pollers()
{
    std::uint32_t const port = loopback_port();
    std::uint32_t const peer = loopback_peer(port);
    __atomic_fetch_and(&shared().evtchn_pending[0], ~(1ull << peer), __ATOMIC_SEQ_CST);
    shared().evtchn_mask[0] |= 1ull << peer;
    shared().vcpu_info[0].evtchn_upcall_pending = 0;
    shared().vcpu_info[0].evtchn_pending_sel = 0;
    EXPECT_EQ(send(port), 0);
    EXPECT(pending(peer) && shared().vcpu_info[0].evtchn_upcall_pending == 0);
    EXPECT_EQ(poll(peer, 0), 0); // returns, though nothing would ever call us up
    abi::evtchn_unmask unmask{peer};
    EXPECT_EQ(event(EVTCHNOP_unmask, &unmask), 0);
    EXPECT_EQ(shared().vcpu_info[0].evtchn_upcall_pending, 1);
    shared().vcpu_info[0].evtchn_upcall_pending = 0;
    for (std::uint32_t bad : {0u, 4095u, 131072u, 0xffffffffu})
        EXPECT_EQ(poll(bad, 1), -22); // XSA-221, XSA-342
    abi::evtchn_close close{port};
    EXPECT_EQ(event(EVTCHNOP_close, &close), 0);
    EXPECT_EQ(poll(port, 1), -22);
    std::uint64_t const before = now();
    __atomic_fetch_and(&shared().evtchn_pending[0], ~(1ull << peer), __ATOMIC_SEQ_CST);
    EXPECT_EQ(poll(peer, before + 5 * kMillisecond), 0); // unbound now: may be polled, nothing comes
    EXPECT(now() >= before + 5 * kMillisecond);
}

void vcpu_info_moves_once()
{
    abi::vcpu_register_vcpu_info args{};
    args.mfn = frame_of(page(0));
    for (std::uint32_t offset : {1u, 4u, 4096u - 32, 4096u, 0xffffffc0u})
    {
        args.offset = offset;
        EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, address(&args)), -6); // XSA-327
    }
    args.offset = 64;
    args.mfn = frame_of(reinterpret_cast<void*>(start_info->pt_base)); // a page table
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, address(&args)), -22);
    args.mfn = 0xffffffffff;
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, address(&args)), -22);
    std::uint32_t const port = loopback_port();
    std::uint32_t const peer = loopback_peer(port);
    EXPECT_EQ(send(port), 0); // pending while it moves
    args.mfn = frame_of(page(0));
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, address(&args)), 0);
    auto& info = *reinterpret_cast<abi::vcpu_info*>(reinterpret_cast<char*>(page(0)) + 64);
    EXPECT(info.evtchn_upcall_pending == 1 && info.evtchn_pending_sel == ~0ull); // look at everything once
    EXPECT(pending(peer) && info.evtchn_upcall_mask == 1);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, address(&args)), -22);
    EXPECT(make_read_only(page(0)) == 0 && extended(MMUEXT_PIN_L1_TABLE, frame_of(page(0))) == -22); // we write there
    EXPECT_EQ(make_writable(page(0)), 0);
    info.evtchn_upcall_pending = 0;
    info.evtchn_pending_sel = 0;
    EXPECT_EQ(send(loopback_port()), 0);
    EXPECT_EQ(info.evtchn_upcall_pending, 1);
}

std::uint32_t volatile* words()
{
    return reinterpret_cast<std::uint32_t volatile*>(page(2));
}

void fifo_set_up()
{
    abi::evtchn_expand_array expand{frame_of(page(2))};
    abi::evtchn_init_control control{};
    control.control_gfn = frame_of(page(1));
    for (std::uint32_t offset : {4u, 4096u - 64, 4096u, 0xfffffff8u})
    {
        control.offset = offset;
        EXPECT_EQ(event(EVTCHNOP_init_control, &control), -22);
    }
    control.offset = 0;
    control.control_gfn = 0xffffffffff;
    EXPECT_EQ(event(EVTCHNOP_init_control, &control), -22); // XSA-188: and nothing has changed
    EXPECT_EQ(event(EVTCHNOP_expand_array, &expand), -38);
    control.control_gfn = frame_of(reinterpret_cast<void*>(start_info->pt_base));
    EXPECT_EQ(event(EVTCHNOP_init_control, &control), -22);
    control.control_gfn = frame_of(page(1));
    control.vcpu = 77;
    EXPECT(event(EVTCHNOP_init_control, &control) < 0);
    control.vcpu = 0;
    EXPECT_EQ(event(EVTCHNOP_init_control, &control), 0);
    EXPECT_EQ(control.link_bits, 17);
    EXPECT_EQ(event(EVTCHNOP_init_control, &control), -22);
    expand.array_gfn = frame_of(reinterpret_cast<void*>(start_info->pt_base));
    EXPECT_EQ(event(EVTCHNOP_expand_array, &expand), -22);
    expand.array_gfn = frame_of(page(2));
    EXPECT_EQ(event(EVTCHNOP_expand_array, &expand), 0);
    abi::evtchn_set_priority priority{1, 16};
    EXPECT_EQ(event(EVTCHNOP_set_priority, &priority), -22);
}

// The guest owns the words and the control block: whatever it writes, only its own events suffer.
void fifo_scribbles()
{
    constexpr unsigned kPorts = 40;
    std::uint32_t ports[kPorts], peers[kPorts];
    for (unsigned i = 0; i < kPorts; ++i)
    {
        ports[i] = loopback_port();
        peers[i] = loopback_peer(ports[i]);
    }
    std::uint32_t noise = 12345;
    for (unsigned round = 0; round < 2000; ++round)
    {
        noise = noise * 1664525 + 1013904223;
        unsigned const which = noise >> 8 & 31;
        switch (noise >> 28)
        {
        case 0:
            words()[peers[which]] = noise; // any state, any link, BUSY left on
            break;
        case 1: words()[peers[which]] = 1u << EVTCHN_FIFO_PENDING | 1u << EVTCHN_FIFO_LINKED | 0x1ffff; break;
        case 2:
            page(1)[1 + (noise >> 20 & 7)] = noise; // heads
            break;
        case 3:
            page(1)[0] = noise; // ready
            break;
        case 4:
        {
            abi::evtchn_set_priority priority{peers[which], noise >> 12 & 15};
            EXPECT_EQ(event(EVTCHNOP_set_priority, &priority), 0);
            break;
        }
        case 5:
        {
            abi::evtchn_bind_vcpu bind{peers[which], 0};
            EXPECT_EQ(event(EVTCHNOP_bind_vcpu, &bind), 0);
            break;
        }
        case 6:
        {
            abi::evtchn_unmask unmask{peers[which]};
            EXPECT_EQ(event(EVTCHNOP_unmask, &unmask), 0);
            break;
        }
        case 7: words()[peers[which]] = 0; break;
        default: EXPECT_EQ(send(ports[which]), 0);
        }
    }
    // An honest port still works.
    for (unsigned i = 0; i < 16; ++i)
        page(1)[i] = 0;
    for (unsigned i = 0; i < 1024; ++i)
        words()[i] = 0;
    EXPECT_EQ(send(ports[39]), 0);
    EXPECT((words()[peers[39]] & (1u << EVTCHN_FIFO_PENDING)) != 0);
}

void reset_gives_all_back()
{
    EXPECT(make_read_only(page(2)) == 0 && extended(MMUEXT_PIN_L1_TABLE, frame_of(page(2))) == -22);
    EXPECT_EQ(make_writable(page(2)), 0);
    abi::evtchn_reset reset{DOMID_SELF};
    EXPECT_EQ(event(EVTCHNOP_reset, &reset), 0);
    for (unsigned i = 1; i <= 2; ++i) // nobody writes there any more
    {
        memset(page(i), 0, 4096);
        EXPECT_EQ(make_read_only(page(i)), 0);
        EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(i))), 0);
        EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(page(i))), 0);
        EXPECT_EQ(make_writable(page(i)), 0);
    }
    abi::evtchn_expand_array expand{frame_of(page(2))};
    EXPECT_EQ(event(EVTCHNOP_expand_array, &expand), -38); // 2-level again
    reset.dom = 1234;
    EXPECT_EQ(event(EVTCHNOP_reset, &reset), -3);
}

void binds_for_ever()
{
    abi::evtchn_alloc_unbound unbound{};
    unbound.dom = unbound.remote_dom = DOMID_SELF;
    for (;;)
        event(EVTCHNOP_alloc_unbound, &unbound);
}

// In a child that is killed in the middle of a reset, with ports bound behind the place that it has reached: by its other
// vCPU, since a reset goes on before the vCPU that asked for it can do anything else.
void resets_for_ever()
{
    install_shared();
    install_traps();
    start_second(binds_for_ever);
    for (unsigned i = 0; i < 400; ++i)
    {
        abi::evtchn_alloc_unbound unbound{};
        unbound.dom = unbound.remote_dom = DOMID_SELF;
        EXPECT_EQ(event(EVTCHNOP_alloc_unbound, &unbound), 0);
    }
    mailbox.values[0] = 1;
    for (;;)
    {
        abi::evtchn_reset reset{DOMID_SELF};
        event(EVTCHNOP_reset, &reset);
        abi::evtchn_alloc_unbound unbound{};
        unbound.dom = unbound.remote_dom = DOMID_SELF;
        for (unsigned i = 0; i < 300; ++i)
            event(EVTCHNOP_alloc_unbound, &unbound);
        mailbox.values[0] = mailbox.values[0] + 1;
    }
}

void death_in_a_reset()
{
    for (unsigned round = 0; round < 4; ++round)
    {
        Child& child = start_child(ChildPlan{resets_for_ever, 2});
        EXPECT(wait_for([&] { return child.box->values[0] > round; }));
        destroy(child);
    }
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    death_in_a_reset();
    masked_ports_wake_pollers();
    fifo_set_up();
    fifo_scribbles();
    reset_gives_all_back();
    vcpu_info_moves_once();
    finish();
}
