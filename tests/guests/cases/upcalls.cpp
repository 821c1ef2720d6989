// SPDX-License-Identifier: MIT
// Event upcalls come when they are due, once, with the frames and masks that kernels rely on (gotchas 12, 13).
#include <tests/guests/runtime/modes.hpp>

using namespace guest;

namespace
{

constexpr std::uint64_t kInterruptFlag = 1 << 9;
constexpr std::uint64_t kIopl = 3 << 12;

std::uint8_t& mask()
{
    return shared().vcpu_info[0].evtchn_upcall_mask;
}

bool saved_mask(Trap const& trap)
{
    return (trap.cs >> 32 & 0xff) != 0;
}

void flags_in_frames()
{
    mask() = 1;
    EXPECT(TRAPS(6, "ud2"));
    EXPECT((last_trap.rflags & (kInterruptFlag | kIopl)) == 0 && saved_mask(last_trap)); // masked: "interrupts off"
    EXPECT(mask() == 1);
    mask() = 0;
    EXPECT(TRAPS(6, "ud2"));
    EXPECT((last_trap.rflags & kInterruptFlag) != 0 && !saved_mask(last_trap));
    EXPECT(mask_in_trap == 0 && mask() == 0);
    // A gate that masks: the handler runs masked, and iret gives back what was before.
    static abi::trap_info table[2];
    table[0] = {6, 4, FLAT_KERNEL_CS, 0};
    abi::vcpu_guest_context const& known = scratch_context();
    table[0].address = known.trap_ctxt[6].address;
    EXPECT_EQ(call(__HYPERVISOR_set_trap_table, address(table)), 0);
    EXPECT(TRAPS(6, "ud2"));
    EXPECT(mask_in_trap == 1 && mask() == 0);
    install_traps();
    std::uint64_t flags = 0;
    asm volatile("pushfq; pop %0" : "=r"(flags));
    EXPECT((flags & kInterruptFlag) != 0); // the real flag is always on
}

void due_at_the_next_call(std::uint32_t port)
{
    mask() = 1;
    unsigned const before = upcall_count;
    EXPECT_EQ(send(port), 0);
    EXPECT_EQ(upcall_count, before);
    EXPECT_EQ(shared().vcpu_info[0].evtchn_upcall_pending, 1);
    mask() = 0;
    asm volatile("" : : : "memory");
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_version), 0x00040011); // Linux's way to say "look again"
    EXPECT_EQ(upcall_count, before + 1);
    EXPECT(!saved_mask(last_upcall) && (last_upcall.rflags & kInterruptFlag) != 0);
    EXPECT(mask() == 0);
}

void two_in_a_row(std::uint32_t port)
{
    // The second event arrives while the first is handled: both are seen, none nested.
    mask() = 1;
    unsigned const before = upcall_count;
    upcall_events = 0;
    std::uint32_t const other = loopback_port();
    EXPECT_EQ(send(port), 0);
    EXPECT_EQ(send(other), 0);
    mask() = 0;
    call(__HYPERVISOR_xen_version, XENVER_version);
    EXPECT_EQ(upcall_count, before + 1);
    EXPECT((upcall_events >> loopback_peer(port) & 1) != 0 && (upcall_events >> loopback_peer(other) & 1) != 0);
}

void blocking_with_an_event_due(std::uint32_t port)
{
    mask() = 1;
    unsigned const before = upcall_count;
    EXPECT_EQ(send(port), 0);
    EXPECT_EQ(call(__HYPERVISOR_sched_op, SCHEDOP_block, 0), 0); // would sleep for ever if it were lost
    EXPECT_EQ(upcall_count, before + 1);
    EXPECT(mask() == 0); // block unmasks
}

void without_any_call()
{
    // A timer has to interrupt a loop that makes no hypercalls.
    abi::evtchn_bind_virq bind{};
    bind.virq = VIRQ_TIMER;
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, address(&bind)), 0);
    for (unsigned round = 0; round < 3; ++round)
    {
        unsigned const volatile before = upcall_count;
        abi::vcpu_set_singleshot_timer timer{now() + 3 * kMillisecond, 0};
        EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, address(&timer)), 0);
        std::uint64_t const deadline = now() + 2000 * kMillisecond;
        while (*const_cast<unsigned volatile*>(&upcall_count) == before && now() < deadline)
            asm volatile("pause" : : : "memory");
        EXPECT(upcall_count == before + 1 && now() >= timer.timeout_abs_ns);
    }
}

void in_user_mode(std::uint32_t port)
{
    // Due when user mode is entered: the kernel gets it first, on its own stack, and user mode goes on afterwards.
    install_user_mode();
    mask() = 1;
    unsigned const before = upcall_count;
    EXPECT_EQ(send(port), 0);
    EXPECT(USER("nop", 0)); // iret with IF set unmasks
    EXPECT_EQ(upcall_count, before + 1);
    EXPECT_EQ(last_upcall.cs & 3, 3); // it interrupted user mode
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    install_upcalls();
    std::uint32_t const port = loopback_port();
    upcall_count = 0;
    mask() = 0;
    call(__HYPERVISOR_xen_version, XENVER_version); // binding has signalled once
    flags_in_frames();
    due_at_the_next_call(port);
    two_in_a_row(port);
    blocking_with_an_event_due(port);
    without_any_call();
    in_user_mode(port);
    finish();
}
