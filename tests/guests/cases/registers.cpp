// SPDX-License-Identifier: MIT
// Registers survive every way back to the guest: at once, after work on the exit path, and with an exception on top of an
// emulated instruction that changed them.
#include <tests/guests/runtime/guest.hpp>

using namespace guest;

namespace
{

struct Kept
{
    std::uint64_t rbx, rbp, r12, r13, r14, r15, rdi, rsi, rdx, r10, r8, r9;
};
constexpr Kept kPattern{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, SCHEDOP_yield, 0x88, 0x99, 0xaa, 0xbb, 0xcc};

// A hypercall with every other register set; returns what they hold afterwards.
Kept registers_after(std::uint64_t number, Kept const& before)
{
    Kept now = before;
    asm volatile("push %%rbx; push %%rbp; push %%r12; push %%r13; push %%r14; push %%r15; push %%rcx\n\t"
                 "mov (%%rcx), %%rbx; mov 8(%%rcx), %%rbp; mov 16(%%rcx), %%r12; mov 24(%%rcx), %%r13\n\t"
                 "mov 32(%%rcx), %%r14; mov 40(%%rcx), %%r15; mov 48(%%rcx), %%rdi; mov 56(%%rcx), %%rsi\n\t"
                 "mov 64(%%rcx), %%rdx; mov 72(%%rcx), %%r10; mov 80(%%rcx), %%r8; mov 88(%%rcx), %%r9\n\t"
                 "syscall\n\t"
                 "pop %%rcx\n\t"
                 "mov %%rbx, (%%rcx); mov %%rbp, 8(%%rcx); mov %%r12, 16(%%rcx); mov %%r13, 24(%%rcx)\n\t"
                 "mov %%r14, 32(%%rcx); mov %%r15, 40(%%rcx); mov %%rdi, 48(%%rcx); mov %%rsi, 56(%%rcx)\n\t"
                 "mov %%rdx, 64(%%rcx); mov %%r10, 72(%%rcx); mov %%r8, 80(%%rcx); mov %%r9, 88(%%rcx)\n\t"
                 "pop %%r15; pop %%r14; pop %%r13; pop %%r12; pop %%rbp; pop %%rbx"
                 : "+a"(number)
                 : "c"(&now)
                 : "rdi", "rsi", "rdx", "r8", "r9", "r10", "r11", "memory");
    return now;
}

bool same(Kept const& a, Kept const& b)
{
    return a.rbx == b.rbx && a.rbp == b.rbp && a.r12 == b.r12 && a.r13 == b.r13 && a.r14 == b.r14 && a.r15 == b.r15 &&
           a.rdi == b.rdi && a.rsi == b.rsi && a.rdx == b.rdx && a.r10 == b.r10 && a.r8 == b.r8 && a.r9 == b.r9;
}

void hypercalls()
{
    EXPECT(same(registers_after(__HYPERVISOR_xen_version, kPattern), kPattern));
    EXPECT(same(registers_after(47, kPattern), kPattern));                    // no such call
    EXPECT(same(registers_after(__HYPERVISOR_sched_op, kPattern), kPattern)); // yields: by the exit path
    abi::vcpu_set_singleshot_timer timer{1, 0}; // in the past: the block below ends at once, by the scheduler
    EXPECT_EQ(call(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, address(&timer)), 0);
    Kept block = kPattern;
    block.rdi = SCHEDOP_poll;
    abi::sched_poll poll{};
    poll.timeout = 1;
    block.rsi = address(&poll);
    EXPECT(same(registers_after(__HYPERVISOR_sched_op, block), block));
}

// The frame of the debug exception, and the registers after it, hold what the emulated instruction wrote.
void emulation_under_single_step()
{
    std::uint64_t rax = 0, rbx = 0x1234, rcx = 0;
    unsigned const before = trap_count;
    asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n\t"
                 "ud2a; .ascii \"xen\"; cpuid\n\t"
                 "pushfq; andq $~0x100, (%%rsp); popfq"
                 : "+a"(rax), "+b"(rbx), "+c"(rcx)
                 :
                 : "rdx", "memory", "cc");
    EXPECT_EQ(trap_count, before + 4); // after the emulated one, PUSHF, AND, and the POPF that ends it
    EXPECT_EQ(last_trap.vector, 1);
    EXPECT(rbx != 0x1234 && rbx != 0);
    EXPECT_EQ(last_trap.rbx, rbx);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    shared().vcpu_info[0].evtchn_upcall_mask = 1;
    hypercalls();
    emulation_under_single_step();
    finish();
}
