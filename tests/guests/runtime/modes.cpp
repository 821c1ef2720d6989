// SPDX-License-Identifier: MIT
// User mode, upcalls, the second vCPU and the clock of test guests.
#include <tests/guests/runtime/modes.hpp>

extern "C"
{
    extern std::uint64_t const trap_entries[256];
    extern char second_stack_top[];
    extern char second_stack[];
    extern char kernel_entry_stack_top[];
    void second_start();
    void syscall_entry();
    std::uint64_t user_frame[7];
}

namespace guest
{

unsigned upcall_count = 0;
Trap last_upcall;
std::uint64_t upcall_events = 0;
Trap second_trap;
unsigned volatile second_trap_count = 0;
std::uint64_t volatile second_resume_at = 0;

void install_upcalls()
{
    abi::callback_register callback{};
    callback.type = CALLBACKTYPE_event;
    callback.address = trap_entries[kUpcallVector];
    EXPECT_EQ(call(__HYPERVISOR_callback_op, CALLBACKOP_register, address(&callback)), 0);
    shared().vcpu_info[0].evtchn_upcall_mask = 0;
}

void take_upcall(Trap& trap)
{
    last_upcall = trap;
    ++upcall_count;
    auto& info = shared().vcpu_info[0];
    info.evtchn_upcall_pending = 0;
    info.evtchn_pending_sel = 0;
    upcall_events |= __atomic_exchange_n(&shared().evtchn_pending[0], 0, __ATOMIC_SEQ_CST);
}

std::uint32_t loopback_peer(std::uint32_t port)
{
    abi::evtchn_status status{};
    status.dom = DOMID_SELF;
    status.port = port;
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_status, address(&status)), 0);
    return status.u.interdomain.port;
}

std::uint32_t loopback_port()
{
    abi::evtchn_alloc_unbound unbound{};
    unbound.dom = unbound.remote_dom = DOMID_SELF;
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, address(&unbound)), 0);
    abi::evtchn_bind_interdomain bind{};
    bind.remote_dom = DOMID_SELF;
    bind.remote_port = unbound.port;
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, address(&bind)), 0);
    return bind.local_port;
}

long send(std::uint32_t port)
{
    abi::evtchn_send args{port};
    return call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, address(&args));
}

void install_user_mode()
{
    abi::callback_register callback{};
    callback.type = CALLBACKTYPE_syscall;
    callback.address = reinterpret_cast<std::uint64_t>(&syscall_entry);
    EXPECT_EQ(call(__HYPERVISOR_callback_op, CALLBACKOP_register, address(&callback)), 0);
    EXPECT_EQ(call(__HYPERVISOR_stack_switch, FLAT_KERNEL_SS, address(kernel_entry_stack_top)), 0);
    EXPECT_EQ(extended(MMUEXT_NEW_USER_BASEPTR, frame_of(reinterpret_cast<void*>(start_info->pt_base))), 0);
}

namespace
{

void (*second_body)() = nullptr;
abi::vcpu_guest_context context;

} // namespace

abi::vcpu_guest_context& scratch_context()
{
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = reinterpret_cast<std::uint64_t>(&second_start);
    context.user_regs.rsp = address(second_stack_top);
    context.user_regs.cs = FLAT_KERNEL_CS & ~3u; // kernels give ring 0; it becomes 3
    context.user_regs.ss = FLAT_KERNEL_SS & ~3u;
    context.kernel_ss = FLAT_KERNEL_SS & ~3u;
    context.kernel_sp = address(second_stack_top);
    context.ctrlreg[3] = frame_of(reinterpret_cast<void*>(start_info->pt_base)) << 12;
    for (unsigned vector = 0; vector < 256; ++vector)
        context.trap_ctxt[vector] = {static_cast<std::uint8_t>(vector), 0, FLAT_KERNEL_CS, trap_entries[vector]};
    return context;
}

long initialise_vcpu(unsigned number, void (*body)())
{
    second_body = body;
    return call(__HYPERVISOR_vcpu_op, VCPUOP_initialise, number, address(&scratch_context()));
}

void start_second(void (*body)())
{
    static bool initialised = false;
    second_body = body;
    if (!initialised)
        EXPECT_EQ(initialise_vcpu(1, body), 0);
    initialised = true;
    mailbox.values[63] = 0;
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_up, 1), 0);
}

bool second_ended()
{
    return mailbox.values[63] != 0;
}

bool on_second_vcpu(void const* stack_address)
{
    std::uint64_t const at = address(static_cast<char const*>(stack_address));
    return at >= address(second_stack) && at < address(second_stack_top);
}

void take_second_trap(Trap& trap)
{
    second_trap = trap;
    second_trap_count = second_trap_count + 1;
    if (second_resume_at != 0)
    {
        trap.rip = second_resume_at;
        return;
    }
    check(false, "unexpected trap of the second vCPU", static_cast<long>(trap.vector), 0);
    print_number("unexpected trap of the second vCPU ", trap.vector);
    print_number("  at ", trap.rip);
    mailbox.values[63] = 1;
    for (;;)
        call(__HYPERVISOR_vcpu_op, VCPUOP_down, 1);
}

std::uint64_t read_tsc()
{
    std::uint32_t low, high;
    asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high));
    return static_cast<std::uint64_t>(high) << 32 | low;
}

std::uint64_t now()
{
    auto const& time = shared().vcpu_info[0].time;
    for (;;)
    {
        std::uint32_t const version = __atomic_load_n(&time.version, __ATOMIC_ACQUIRE);
        std::uint64_t delta = read_tsc() - time.tsc_timestamp;
        delta = time.tsc_shift >= 0 ? delta << time.tsc_shift : delta >> -time.tsc_shift;
        auto const scaled =
            static_cast<std::uint64_t>(static_cast<unsigned __int128>(delta) * time.tsc_to_system_mul >> 32);
        std::uint64_t const result = time.system_time + scaled;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if ((version & 1) == 0 && version == __atomic_load_n(&time.version, __ATOMIC_RELAXED))
            return result;
    }
}

void sleep_until(std::uint64_t time)
{
    abi::sched_poll poll{};
    poll.timeout = time;
    call(__HYPERVISOR_sched_op, SCHEDOP_poll, address(&poll));
}

} // namespace guest

extern "C" [[noreturn]] void on_second_start()
{
    guest::second_body();
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    guest::mailbox.values[63] = 1;
    for (;;)
    {
        // Up again: the next body.
        guest::call(__HYPERVISOR_vcpu_op, VCPUOP_down, 1);
        guest::second_body();
        guest::mailbox.values[63] = 1;
    }
}
