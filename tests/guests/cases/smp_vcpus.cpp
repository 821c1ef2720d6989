// SPDX-License-Identifier: MIT
// Bringing vCPUs up and down, their clocks and memory areas (gotchas 2, 18, 54-57).
#include <tests/guests/runtime/modes.hpp>

using namespace guest;

namespace
{

long vcpu(unsigned command, unsigned number, void* args = nullptr)
{
    return call(__HYPERVISOR_vcpu_op, command, number, address(static_cast<char*>(args)));
}

long initialise(abi::vcpu_guest_context& context)
{
    return vcpu(VCPUOP_initialise, 1, &context);
}

void bad_contexts()
{
    EXPECT_EQ(vcpu(VCPUOP_is_up, 1), 0);
    EXPECT_EQ(vcpu(VCPUOP_up, 1), -22); // not initialised
    for (unsigned number : {2u, 127u, 128u, 8191u, 0xffffffffu})
        EXPECT_EQ(vcpu(VCPUOP_is_up, number), -2);
    EXPECT_EQ(vcpu(VCPUOP_initialise, 1, reinterpret_cast<void*>(0xffff840000000000)), -14);
    constexpr std::uint64_t kBad = 0x8000000000000000;
    auto const refused = [](auto&& spoil) {
        abi::vcpu_guest_context& context = scratch_context();
        spoil(context);
        return initialise(context) == -22;
    };
    EXPECT(refused([](auto& c) { c.event_callback_eip = kBad; }));
    EXPECT(refused([](auto& c) { c.failsafe_callback_eip = kBad; }));
    EXPECT(refused([](auto& c) { c.syscall_callback_eip = kBad; }));
    EXPECT(refused([](auto& c) { c.trap_ctxt[14].address = kBad; }));
    EXPECT(refused([](auto& c) { c.fs_base = kBad; }));
    EXPECT(refused([](auto& c) { c.gs_base_kernel = kBad; }));
    EXPECT(refused([](auto& c) { c.gs_base_user = kBad; }));
    EXPECT(refused([](auto& c) { c.ldt_base = 0xffff840000000000, c.ldt_ents = 1; }));
    EXPECT(refused([](auto& c) { c.ldt_base = 0x1000, c.ldt_ents = 8193; }));
    EXPECT(refused([](auto& c) { c.gdt_ents = 7169; }));
    EXPECT(refused([](auto& c) { c.gdt_ents = 512, c.gdt_frames[0] = frame_of(page(0)); })); // mapped writable
    EXPECT(refused([](auto& c) { c.ctrlreg[3] = 0; }));
    EXPECT(refused([](auto& c) { c.ctrlreg[3] = frame_of(page(0)) << 12; }));
    EXPECT(refused([](auto& c) { c.ctrlreg[1] = frame_of(page(0)) << 12; }));
    EXPECT(refused([](auto& c) { c.flags = 0; })); // user mode, and no root for it: once stopped the host
    EXPECT_EQ(vcpu(VCPUOP_up, 1), -22);
}

std::uint64_t volatile seen_cs;

void looks_around()
{
    std::uint64_t cs;
    asm volatile("mov %%cs, %0" : "=r"(cs));
    seen_cs = cs;
    mailbox.values[5] = 1;
}

void comes_up_once()
{
    start_second(looks_around); // with selectors of RPL 0 that mean nothing here (gotcha 18)
    EXPECT(wait_for(second_ended));
    EXPECT_EQ(mailbox.values[5], 1);
    EXPECT_EQ(seen_cs, FLAT_KERNEL_CS);
    EXPECT(wait_for([] { return vcpu(VCPUOP_is_up, 1) == 0; }));
    EXPECT_EQ(initialise(scratch_context()), -17); // XSA-296: once
}

// ---- time
std::uint64_t volatile latest; // the greatest time that either vCPU has seen
std::uint64_t volatile backwards;
std::uint64_t volatile stop;

std::uint64_t second_now()
{
    auto const& time = shared().vcpu_info[1].time;
    std::uint32_t version;
    std::uint64_t result;
    do
    {
        version = __atomic_load_n(&time.version, __ATOMIC_ACQUIRE);
        std::uint64_t delta = read_tsc() - time.tsc_timestamp;
        delta = time.tsc_shift >= 0 ? delta << time.tsc_shift : delta >> -time.tsc_shift;
        result = time.system_time +
                 static_cast<std::uint64_t>(static_cast<unsigned __int128>(delta) * time.tsc_to_system_mul >> 32);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((version & 1) != 0 || version != __atomic_load_n(&time.version, __ATOMIC_RELAXED));
    return result;
}

template<typename F>
void watch_clock(F&& read)
{
    std::uint64_t const before = __atomic_load_n(&latest, __ATOMIC_SEQ_CST);
    std::uint64_t const time = read();
    if (time < before)
        backwards = before - time;
    std::uint64_t seen = before;
    while (seen < time && !__atomic_compare_exchange_n(&latest, &seen, time, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
    {
    }
}

void second_watches()
{
    while (stop == 0)
        watch_clock(second_now);
}

void time_goes_forward_everywhere()
{
    stop = 0;
    latest = 0;
    start_second(second_watches);
    std::uint64_t const end = now() + 300 * kMillisecond;
    while (now() < end)
    {
        for (unsigned i = 0; i < 100; ++i)
            watch_clock(now);
        call(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    }
    stop = 1;
    EXPECT(wait_for(second_ended));
    check(backwards == 0, "time goes forward", static_cast<long>(backwards), 0);
}

void deadlines()
{
    abi::evtchn_bind_virq bind{};
    bind.virq = VIRQ_TIMER;
    EXPECT_EQ(call(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, address(&bind)), 0);
    auto const pending = [&] {
        return (__atomic_exchange_n(&shared().evtchn_pending[bind.port / 64], 0, __ATOMIC_SEQ_CST) >> (bind.port % 64) &
                1) != 0;
    };
    abi::vcpu_set_singleshot_timer timer{};
    for (std::uint64_t past : {std::uint64_t{0}, std::uint64_t{1}, now()})
    {
        timer.timeout_abs_ns = past;
        EXPECT_EQ(vcpu(VCPUOP_set_singleshot_timer, 0, &timer), 0); // never "too late"
        EXPECT(wait_for(pending, 100));
    }
    timer = {1, VCPU_SSHOTTMR_future};
    EXPECT_EQ(vcpu(VCPUOP_set_singleshot_timer, 0, &timer), -62);
    for (std::uint64_t far : {~0ull, 1ull << 63, (1ull << 63) - 1, 1ull << 62})
    {
        timer = {far, 0};
        EXPECT_EQ(vcpu(VCPUOP_set_singleshot_timer, 0, &timer), 0);
        EXPECT_EQ(call(__HYPERVISOR_set_timer_op, far), 0);
    }
    EXPECT_EQ(vcpu(VCPUOP_stop_singleshot_timer, 0), 0);
    (void)pending();
    timer = {now() + 5 * kMillisecond, 0};
    EXPECT_EQ(vcpu(VCPUOP_set_singleshot_timer, 0, &timer), 0);
    EXPECT(wait_for(pending, 1000) && now() >= timer.timeout_abs_ns);
    EXPECT_EQ(vcpu(VCPUOP_set_singleshot_timer, 1, &timer), -22); // another's
    abi::vcpu_set_periodic_timer periodic{1000};
    EXPECT_EQ(vcpu(VCPUOP_set_periodic_timer, 0, &periodic), -22); // below a millisecond
    EXPECT_EQ(vcpu(VCPUOP_stop_periodic_timer, 0), 0);
}

// ---- areas that we write to on our own account
void areas_in_bad_places()
{
    abi::vcpu_register_runstate_memory_area area{};
    abi::vcpu_register_time_memory_area time_area{};
    for (std::uint64_t where : {0xffff840000000000ull, 0x8000000000000000ull, 0xffff800000000000ull})
    {
        area.addr.p = where;
        EXPECT_EQ(vcpu(VCPUOP_register_runstate_memory_area, 0, &area), -14);
        time_area.addr.p = where;
        EXPECT_EQ(vcpu(VCPUOP_register_vcpu_time_memory_area, 0, &time_area), -14);
    }
    area.addr.p = time_area.addr.p = 0x7000000000; // not mapped: an error, or no area
    (void)vcpu(VCPUOP_register_runstate_memory_area, 0, &area);
    (void)vcpu(VCPUOP_register_vcpu_time_memory_area, 0, &time_area);
    sleep_until(now() + 2 * kMillisecond);
    // Good when it is registered, then read-only, or gone half-way: the guest's loss.
    for (std::uint64_t where : {address(page(3)), address(page(3)) + 4032, address(page(2)) + 4080})
    {
        area.addr.p = time_area.addr.p = where;
        EXPECT_EQ(vcpu(VCPUOP_register_runstate_memory_area, 0, &area), 0);
        EXPECT_EQ(vcpu(VCPUOP_register_vcpu_time_memory_area, 0, &time_area), 0);
        memset(page(3), 0, 4096);
        EXPECT_EQ(make_read_only(page(3)), 0);
        sleep_until(now() + 2 * kMillisecond);
        EXPECT_EQ(map(page(3), 0), 0);
        sleep_until(now() + 2 * kMillisecond);
        EXPECT_EQ(make_writable(page(3)), 0);
    }
    EXPECT_EQ(make_read_only(page(3)), 0);
    sleep_until(now() + 2 * kMillisecond);
    EXPECT_EQ(make_writable(page(3)), 0);
    auto* const state = reinterpret_cast<abi::vcpu_runstate_info volatile*>(page(4));
    EXPECT_EQ(call(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_runstate_update_flag), 0);
    area.addr.p = address(page(4));
    EXPECT_EQ(vcpu(VCPUOP_register_runstate_memory_area, 0, &area), 0);
    std::uint64_t const blocked = state->time[RUNSTATE_blocked];
    sleep_until(now() + 10 * kMillisecond);
    EXPECT_EQ(state->state, RUNSTATE_running);
    EXPECT((state->state_entry_time >> 63) == 0); // no update is under way while we look
    EXPECT(state->time[RUNSTATE_blocked] >= blocked + 8 * kMillisecond);
    area.addr.p = 0;
    EXPECT_EQ(vcpu(VCPUOP_register_runstate_memory_area, 0, &area), 0);
    time_area.addr.p = 0;
    EXPECT_EQ(vcpu(VCPUOP_register_vcpu_time_memory_area, 0, &time_area), 0);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    bad_contexts();
    comes_up_once();
    time_goes_forward_everywhere();
    deadlines();
    areas_in_bad_places();
    finish();
}
