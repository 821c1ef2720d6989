// SPDX-License-Identifier: MIT
// Frames that the CPU refuses come back as the guest's own exceptions, with its registers (gotchas 1, 3, 10).
#include <tests/guests/runtime/modes.hpp>

using namespace guest;

extern "C"
{
    // rax, r11, rcx, flags, rip, cs, rflags, rsp, ss: what try_iret() hands over; rip 0 and rsp 0 stand for valid ones.
    std::uint64_t iret_words[9];
    void try_iret(); // returns by itself when the frame was good, else through resume_at
    extern char iret_resumed[];
    extern char iret_landing[];
    std::uint64_t iret_landed;
    // Runs a list of multicalls whose iret goes to user mode at `code`.
    std::uint64_t multicall_to_user(std::uint64_t list, std::uint64_t count, std::uint64_t code);
}

asm(R"(
        .text
        .globl try_iret
try_iret:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, iret_saved_stack(%rip)
        cmpq    $0, iret_words+56(%rip)
        jne     1f
        movq    %rsp, iret_words+56(%rip)
1:      subq    $72, %rsp
        leaq    iret_words(%rip), %rsi
        movq    %rsp, %rdi
        movl    $9, %ecx
        cld
        rep movsq
        movq    $0x1b1b, %rbx
        movq    $0x1c1c, %r12
        movl    $23, %eax
        syscall
        ud2
        .globl iret_landing
iret_landing:
        movq    $1, iret_landed(%rip)
        .globl iret_resumed
iret_resumed:
        movq    iret_saved_stack(%rip), %rsp
        popq    %r15
        popq    %r14
        popq    %r13
        popq    %r12
        popq    %rbp
        popq    %rbx
        ret
        .globl multicall_to_user
multicall_to_user:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, user_return_stack(%rip)
        pushq   $0xe02b
        leaq    user_stack_top(%rip), %rax
        pushq   %rax
        pushq   $0x202
        pushq   $0xe033
        pushq   %rdx
        pushq   $0
        pushq   $0
        pushq   $0
        pushq   $0x77
        movl    $13, %eax
        syscall
        ud2
        .bss
        .balign 8
iret_saved_stack:
        .skip   8
        .text
)");

namespace
{

constexpr std::uint64_t kKernelCode = 0xe030;

// True when the frame traps with one of two vectors (QEMU's TCG takes some faults in another order than hardware).
bool refused(std::uint64_t rip, std::uint64_t cs, std::uint64_t ss, unsigned vector, unsigned or_vector)
{
    iret_words[0] = iret_words[1] = iret_words[2] = iret_words[3] = 0;
    iret_words[4] = rip != 0 ? rip : address(iret_landing);
    iret_words[5] = cs;
    iret_words[6] = 0x202;
    iret_words[7] = 0;
    iret_words[8] = ss;
    unsigned const before = trap_count;
    iret_landed = 0;
    resume_at = address(iret_resumed);
    try_iret();
    resume_at = 0;
    return trap_count == before + 1 && iret_landed == 0 &&
           (last_trap.vector == vector || last_trap.vector == or_vector);
}

void good_frame()
{
    EXPECT(!refused(0, kKernelCode, 0xe02b, 99, 99));
    EXPECT_EQ(iret_landed, 1);
}

void bad_selectors()
{
    EXPECT(refused(0, 0, 0xe02b, 13, 13)); // CS null
    EXPECT(last_trap.rbx == 0x1b1b && last_trap.r12 == 0x1c1c);
    EXPECT(refused(0, 0xe028, 0xe02b, 13, 13));      // CS a data segment
    EXPECT(refused(0, 0xfff8, 0xe02b, 13, 13));      // CS beyond the table
    EXPECT(refused(0, 0xe008, 0xe02b, 13, 13));      // CS ours, of ring 0
    EXPECT(refused(0, 0x0c, 0xe02b, 13, 13));        // CS in an LDT that there is not
    EXPECT(refused(0, kKernelCode, 0xe033, 13, 13)); // SS a code segment
    EXPECT(refused(0, kKernelCode, 0xe013, 13, 13)); // SS ours
    // Not-present segments of a GDT of our own.
    page(0)[1] = 0x00af7b000000ffff; // code, DPL 3, not present
    page(0)[2] = 0x00cf73000000ffff; // data, DPL 3, not present
    EXPECT_EQ(make_read_only(page(0)), 0);
    std::uint64_t const frame = frame_of(page(0));
    EXPECT_EQ(call(__HYPERVISOR_set_gdt, address(&frame), 512), 0);
    EXPECT(refused(0, 0x08, 0xe02b, 11, 11));
    EXPECT(refused(0, kKernelCode, 0x10, 12, 11));
    EXPECT_EQ(call(__HYPERVISOR_set_gdt, 0, 0), 0);
}

void bad_addresses()
{
    EXPECT(refused(0x8000000000000000, kKernelCode, 0xe02b, 13, 14));
    EXPECT(refused(0x0000800000000000, kKernelCode, 0xe02b, 13, 14));
    EXPECT(refused(0xffff7fffffffffff, kKernelCode, 0xe02b, 13, 14));
    EXPECT(refused(0xffff830000000000, kKernelCode, 0xe02b, 14, 14)); // canonical, ours: a page fault of the guest
    // VGCF_in_syscall: the way back may be SYSRET, which must not see such an address. It does not fault in QEMU's TCG, but it
    // leaves rip in rcx.
    iret_words[3] = 1 << 8;
    iret_words[2] = 0x5eed;
    unsigned const before = trap_count;
    iret_words[4] = 0x8000000000000000;
    iret_words[7] = 0;
    resume_at = address(iret_resumed);
    try_iret();
    resume_at = 0;
    EXPECT(trap_count == before + 1 && (last_trap.vector == 13 || last_trap.vector == 14));
    EXPECT_EQ(last_trap.rcx, 0x5eed);
}

// SYSCALL as the last instruction below the hole: the return address is not canonical (XSA-7).
void syscall_at_the_end()
{
    constexpr std::uint64_t kLastPage = 0x7ffffffff000;
    auto* const code = reinterpret_cast<unsigned char*>(page(4));
    code[4094] = 0x0f;
    code[4095] = 0x05;
    for (unsigned i = 1; i <= 3; ++i)
        EXPECT_EQ(make_read_only(page(i)), 0);
    EXPECT_EQ(mmu_update(frame_of(page(3)) << 12 | 511 * 8, frame_of(page(4)) << 12 | kTable), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L1_TABLE, frame_of(page(3))), 0);
    EXPECT_EQ(mmu_update(frame_of(page(2)) << 12 | 511 * 8, frame_of(page(3)) << 12 | kTable), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L2_TABLE, frame_of(page(2))), 0);
    EXPECT_EQ(mmu_update(frame_of(page(1)) << 12 | 511 * 8, frame_of(page(2)) << 12 | kTable), 0);
    EXPECT_EQ(extended(MMUEXT_PIN_L3_TABLE, frame_of(page(1))), 0);
    std::uint64_t const root = frame_of(reinterpret_cast<void*>(start_info->pt_base)) << 12;
    EXPECT_EQ(mmu_update(root | 255 * 8, frame_of(page(1)) << 12 | kTable), 0);
    unsigned const before = trap_count;
    std::uint64_t next;
    asm volatile("lea 9f(%%rip), %0" : "=r"(next));
    resume_at = next;
    asm volatile("mov $0x7ffffffffffe, %%rcx; mov $17, %%eax; xor %%edi, %%edi; xor %%esi, %%esi; jmp *%%rcx\n9:"
                 :
                 :
                 : "memory", "rax", "rcx", "rdx", "rdi", "rsi", "r11", "cc");
    resume_at = 0;
    EXPECT(last_trap.vector == 13 || last_trap.vector == 14);
    EXPECT_EQ(trap_count, before + 1);
    EXPECT_EQ(last_trap.rip, kLastPage + 4096);
    EXPECT_EQ(mmu_update(root | 255 * 8, 0), 0);
}

// An iret ends its multicall: what comes after it would run with the kernel's rights for user mode (XSA-213).
void multicall_ends()
{
    install_user_mode();
    std::uint64_t code;
    asm volatile("jmp 2f\n1: syscall\n2: lea 1b(%%rip), %0" : "=r"(code));
    static abi::multicall_entry list[3];
    list[0].op = __HYPERVISOR_set_debugreg;
    list[0].args[0] = 1;
    list[0].args[1] = 0x1234000;
    list[0].result = 0x5555;
    list[1].op = __HYPERVISOR_iret;
    list[2].op = __HYPERVISOR_set_debugreg;
    list[2].args[0] = 1;
    list[2].args[1] = 0x5678000;
    list[2].result = 0x5555;
    EXPECT_EQ(multicall_to_user(address(list), 3, code), 0x77); // rax came from the iret's frame
    EXPECT_EQ(list[0].result, 0);
    EXPECT_EQ(list[2].result, 0x5555);
    EXPECT_EQ(call(__HYPERVISOR_get_debugreg, 1), 0x1234000);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    good_frame();
    bad_selectors();
    bad_addresses();
    syscall_at_the_end();
    multicall_ends();
    finish();
}
