// SPDX-License-Identifier: MIT
// Guest kernel and guest user share a ring; only the mode of the vCPU tells them apart (gotchas 5, 9, 34, 35).
#include <tests/guests/runtime/child.hpp>

using namespace guest;

namespace
{

constexpr std::uint64_t kFarAway = 0x7000000000;

// A system call with the registers of a hypercall is the kernel's to handle, not ours.
void calls_are_the_kernels()
{
    std::uint64_t code;
    asm volatile(
        "jmp 2f\n1: mov $29, %%eax; mov $2, %%edi; lea shutdown_reason(%%rip), %%rsi; syscall\n2: lea 1b(%%rip), %0"
        : "=r"(code));
    EXPECT_EQ(run_user(code), 29);
    EXPECT_EQ(user_frame[3] & 0xffff, FLAT_USER_CS);
    EXPECT_EQ(user_frame[6] & 0xffff, FLAT_USER_SS);
    EXPECT_EQ(user_frame[0], user_frame[2]); // rcx is the return address
    for (std::uint64_t number : {__HYPERVISOR_iret, __HYPERVISOR_domctl, __HYPERVISOR_mmu_update})
    {
        asm volatile("jmp 2f\n1: mov %%edi, %%eax; syscall\n2: lea 1b(%%rip), %0" : "=r"(code));
        EXPECT_EQ(run_user(code, number), number);
    }
}

void faults_say_who()
{
    EXPECT(USER_TRAPS(14, "mov (%%rdi), %%rax", kFarAway));
    EXPECT_EQ(last_trap.error, 4); // user, read, not present
    EXPECT_EQ(last_trap.cs & 3, 3);
    EXPECT_EQ(fault_address(), kFarAway);
    EXPECT(USER_TRAPS(14, "movq $1, (%%rdi)", 0xffff830000000000));
    EXPECT_EQ(last_trap.error & 6, 6);
    EXPECT(USER_TRAPS(13, "hlt", 0));
    EXPECT(USER_TRAPS(13, "cli", 0));
    EXPECT(USER_TRAPS(13, "rdmsr", 0));
    EXPECT(USER_TRAPS(13, "mov %%cr3, %%rax", 0));
    EXPECT(USER_TRAPS(13, "int $0x80", 0)); // the kernel's gate has DPL 0
    EXPECT_EQ(last_trap.error, 0x402);
    EXPECT(USER_TRAPS(3, "int3", 0));
    EXPECT(TRAPS(14, "mov 0x7000000000, %%rax"));
    EXPECT(last_trap.error == 0 && (last_trap.cs & 3) == 0); // the kernel again
}

void nested_task_flag()
{
    // NT survives into an entry that forgets it, whose IRET then fails (XSA-44, XSA-339).
    unsigned const before = trap_count;
    EXPECT(USER("pushfq; orq $0x4000, (%%rsp); popfq", 0));
    EXPECT(USER_TRAPS(6, "pushfq; orq $0x4000, (%%rsp); popfq; ud2", 0));
    EXPECT(USER_TRAPS(3, "pushfq; orq $0x4000, (%%rsp); popfq; int3", 0));
    EXPECT_EQ(trap_count, before + 2);
    asm volatile("pushfq; orq $0x4000, (%%rsp); popfq" : : : "memory", "cc");
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_version), 0x00040011);
    EXPECT(TRAPS(6, "ud2"));
    asm volatile("pushfq; andq $~0x4000, (%%rsp); popfq" : : : "memory", "cc");
}

void system_flags()
{
    // What user mode may carry along in EFLAGS reaches neither us nor the kernel's first instructions.
    EXPECT(USER("pushfq; orq $0x40000, (%%rsp); popfq; std", 0)); // AC and DF
    std::uint64_t flags = 0;
    asm volatile("pushfq; pop %0" : "=r"(flags));
    EXPECT((flags & 0x40000) == 0);
    EXPECT((user_frame[4] & 0x40400) == 0x40400); // but the kernel can see and restore them
    std::uint64_t code;
    asm volatile("jmp 2f\n1: pushfq; pop %%rax; syscall\n2: lea 1b(%%rip), %0" : "=r"(code));
    EXPECT_EQ(run_user(code, 0, 0x23202 | 0x4000) & 0x27000, 0); // NT, IOPL, VM do not come from an iret frame
}

void spins()
{
    for (;;)
        asm volatile("pause");
}

// We are preempted in user mode, whose tables do not have the area: it is written all the same.
void areas_are_written_meanwhile(std::uint64_t* hidden_page)
{
    auto* const state = reinterpret_cast<abi::vcpu_runstate_info volatile*>(hidden_page + 64);
    abi::vcpu_register_runstate_memory_area area{};
    area.addr.p = address(hidden_page + 64);
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, address(&area)), 0);
    std::uint64_t const start = read_tsc();
    sleep_until(now() + 10 * kMillisecond);
    std::uint64_t const ten_milliseconds = read_tsc() - start;
    shared().vcpu_info[0].evtchn_upcall_mask = 1; // there is no callback for what the child's life makes pending
    Child& child = start_child(spins);
    std::uint64_t const before = state->time[RUNSTATE_runnable];
    std::uint64_t code;
    asm volatile("jmp 2f\n"
                 "1: rdtsc; shl $32, %%rdx; or %%rdx, %%rax; cmp %%rdi, %%rax; jb 1b; mov $0x600d, %%eax; syscall\n"
                 "2: lea 1b(%%rip), %0"
                 : "=r"(code));
    EXPECT_EQ(run_user(code, read_tsc() + 15 * ten_milliseconds, 0x2), 0x600d);
    EXPECT(state->time[RUNSTATE_runnable] >= before + 20 * kMillisecond); // the child had half of it
    destroy(child);
    area.addr.p = 0;
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_register_runstate_memory_area, 0, address(&area)), 0);
}

// A user root without our pages: what the kernel has in the TLB must not serve user mode.
void kernel_pages_are_not_global()
{
    std::uint64_t const secret = address(page(20));
    page(20)[0] = 0x5ec2e7;
    EXPECT_EQ(map(page(20), frame_of(page(20)) << 12 | kPresent | kWritable | kAccessed | kDirty),
              0); // no U: the kernel's
    EXPECT((*entry_of(page(20)) & 0x100) == 0);
    EXPECT((*entry_of(page(20)) & kUser) != 0); // all run at CPL 3
    EXPECT_EQ(map(page(21), frame_of(page(21)) << 12 | kTable), 0);
    // Tables for user mode: the same, but the L1 of our image lacks that page.
    std::uint64_t* const l1 = entry_of(reinterpret_cast<void*>(secret)) - (secret >> 12 & 511);
    unsigned const first_table = address(page(22)) >> 12 & 511;
    for (unsigned i = 0; i < 512; ++i)
    {
        bool const left_out = i == (secret >> 12 & 511) || (i >= first_table && i < first_table + 4);
        page(22)[i] = left_out ? 0 : l1[i];
        page(23)[i] = page(24)[i] = page(25)[i] = 0;
    }
    std::uint64_t const l2_index = secret >> 21 & 511;
    for (unsigned i = 22; i <= 25; ++i)
        EXPECT_EQ(make_read_only(page(i)), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(22))), 0);
    EXPECT_EQ(mmu_update(frame_of(page(23)) << 12 | l2_index * 8, frame_of(page(22)) << 12 | kTable), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L2_TABLE, frame_of(page(23))), 0);
    EXPECT_EQ(mmu_update(frame_of(page(24)) << 12, frame_of(page(23)) << 12 | kTable), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L3_TABLE, frame_of(page(24))), 0);
    EXPECT_EQ(mmu_update(frame_of(page(25)) << 12, frame_of(page(24)) << 12 | kTable), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L4_TABLE, frame_of(page(25))), 0);
    EXPECT_EQ(extended(MMUEXT_NEW_USER_BASEPTR, frame_of(page(25))), 0);
    EXPECT(page(20)[0] == 0x5ec2e7); // in the TLB now
    EXPECT(USER_TRAPS(14, "mov (%%rdi), %%rax", secret));
    EXPECT(USER("mov (%%rdi), %%rax", address(page(21))));
    areas_are_written_meanwhile(page(20));
    EXPECT_EQ(extended(MMUEXT_NEW_USER_BASEPTR, 0), 0);
    EXPECT_EQ(extended(MMUEXT_NEW_USER_BASEPTR, frame_of(reinterpret_cast<void*>(start_info->pt_base))), 0);
    EXPECT_EQ(extended(MMUEXT_UNPIN_TABLE, frame_of(page(25))), 0);
}

} // namespace

extern "C"
{
    hv::abi::sched_shutdown shutdown_reason{SHUTDOWN_crash};
}

void run()
{
    install_shared();
    install_traps();
    install_user_mode(); // one L4 as kernel and as user root
    calls_are_the_kernels();
    faults_say_who();
    nested_task_flag();
    system_flags();
    kernel_pages_are_not_global();
    finish();
}
