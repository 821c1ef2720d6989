// SPDX-License-Identifier: MIT
// Whichever way back the hypervisor takes, IRETQ or SYSRET, short or long, what goes on is exactly what the frame says.
#include <tests/guests/runtime/modes.hpp>

using namespace guest;

extern "C"
{
    std::uint64_t words[9]; // rax, r11, rcx, flags, rip, cs, rflags, rsp, ss
    // Registers where the frame led to, in the order of SEE.
    std::uint64_t seen[17];
    void return_by_words(); // the iret hypercall; comes back through one of the landings
    extern char kernel_landing[], user_landing[];
}

asm(R"(
        .text
        .macro  SEE register, number
        movq    %\register, seen+8*\number(%rip)
        .endm
        .macro  SEE_ALL
        SEE     rax, 0
        SEE     r11, 1
        SEE     rcx, 2
        SEE     rsp, 3
        pushfq
        popq    seen+8*4(%rip)
        SEE     rbx, 5
        SEE     rdx, 6
        SEE     rsi, 7
        SEE     rdi, 8
        SEE     rbp, 9
        SEE     r8, 10
        SEE     r9, 11
        SEE     r10, 12
        SEE     r12, 13
        SEE     r13, 14
        SEE     r14, 15
        SEE     r15, 16
        .endm
        .globl  return_by_words
return_by_words:
        pushq   %rbx
        pushq   %rbp
        pushq   %r12
        pushq   %r13
        pushq   %r14
        pushq   %r15
        movq    %rsp, user_return_stack(%rip)
        subq    $72, %rsp
        leaq    words(%rip), %rsi
        movq    %rsp, %rdi
        movl    $9, %ecx
        cld
        rep movsq
        movl    $105, %ebx
        movl    $106, %edx
        movl    $107, %esi
        movl    $108, %edi
        movl    $109, %ebp
        movl    $110, %r8d
        movl    $111, %r9d
        movl    $112, %r10d
        movl    $113, %r12d
        movl    $114, %r13d
        movl    $115, %r14d
        movl    $116, %r15d
        movl    $23, %eax
        syscall
        ud2
        .globl  kernel_landing
kernel_landing:
        SEE_ALL
        jmp     return_from_user
        .globl  user_landing
user_landing:
        SEE_ALL
        syscall
)");

extern "C" char user_stack_top[];

namespace
{

constexpr std::uint64_t kFlags = 0x203;             // IF, CF
constexpr std::uint64_t kInSystemCall = 1 << 8;     // VGCF_in_syscall
constexpr std::uint64_t kSystemFlags = 0x27000;     // IOPL, NT, VM: nobody gets those by an iret
constexpr std::uint64_t kShown = 0x27000 | 1 << 10; // and DF

struct Wanted
{
    bool user;
    std::uint64_t rcx = 102, r11 = 101;
    std::uint64_t rflags = kFlags;
    std::uint64_t flags = 0;
};

// Everything but rcx and r11.
bool arrives(Wanted const& wanted)
{
    words[0] = 100;
    words[1] = wanted.r11;
    words[2] = wanted.rcx;
    words[3] = wanted.flags;
    words[4] = address(wanted.user ? user_landing : kernel_landing);
    words[5] = wanted.user ? FLAT_USER_CS : FLAT_KERNEL_CS & ~3;
    words[6] = wanted.rflags;
    words[7] = address(user_stack_top) - 64;
    words[8] = wanted.user ? FLAT_USER_SS : FLAT_KERNEL_SS;
    for (std::uint64_t& word : seen)
        word = 0;
    return_by_words();
    for (unsigned i = 5; i < 17; ++i)
        if (seen[i] != 100 + i)
            return false;
    return seen[0] == 100 && seen[3] == words[7] && (seen[4] & kShown) == 0 && (seen[4] & 1) == 1;
}

bool keeps(Wanted const& wanted)
{
    return arrives(wanted) && seen[1] == wanted.r11 && seen[2] == wanted.rcx;
}

void to_the_kernel()
{
    std::uint64_t const landing = address(kernel_landing);
    EXPECT(keeps({.user = false}));
    EXPECT(keeps({.user = false, .rflags = kFlags | kSystemFlags}));
    EXPECT(keeps({.user = false, .rcx = landing, .r11 = kFlags}));
    EXPECT(arrives({.user = false, .flags = kInSystemCall}));
}

void to_user_mode()
{
    std::uint64_t const landing = address(user_landing);
    EXPECT(keeps({.user = true}));
    EXPECT_EQ(user_frame[3] & 0xffff, FLAT_USER_CS);              // it was user mode
    EXPECT(keeps({.user = true, .rcx = landing, .r11 = kFlags})); // as SYSCALL leaves them: SYSRET serves
    EXPECT_EQ(user_frame[3] & 0xffff, FLAT_USER_CS);
    EXPECT(keeps({.user = true, .rcx = landing + 1, .r11 = kFlags}));
    EXPECT(keeps({.user = true, .rcx = landing, .r11 = kFlags ^ 4}));
    EXPECT(keeps({.user = true, .rcx = landing, .r11 = kFlags | kSystemFlags, .rflags = kFlags | kSystemFlags}));
    EXPECT(arrives({.user = true, .flags = kInSystemCall}));
    EXPECT_EQ(user_frame[3] & 0xffff, FLAT_USER_CS);
}

// Every instruction from the first on traps. SYSRET with TF would trap one instruction late.
void single_steps()
{
    constexpr unsigned kInstructions = 18; // of user_landing, but for its SYSCALL, which drops TF
    std::uint64_t const flags = kFlags | 1 << 8;
    for (Wanted const& wanted : {Wanted{.user = true, .rcx = address(user_landing), .r11 = flags, .rflags = flags},
                                 Wanted{.user = true, .rflags = flags, .flags = kInSystemCall}})
    {
        unsigned const before = trap_count;
        EXPECT(arrives(wanted));
        EXPECT_EQ(trap_count, before + kInstructions);
        EXPECT_EQ(last_trap.vector, 1);
    }
}

// The event mask is the frame's IF, and an event that waits comes before the first instruction.
void events_come_first()
{
    std::uint32_t const port = loopback_port();
    for (bool const user : {false, true})
    {
        shared().vcpu_info[0].evtchn_upcall_mask = 1;
        unsigned const before = upcall_count;
        send(port);
        EXPECT(keeps({.user = user, .rflags = kFlags & ~0x200ul}));
        EXPECT_EQ(upcall_count, before);
        EXPECT_EQ(shared().vcpu_info[0].evtchn_upcall_mask, 1);
        EXPECT(keeps({.user = user}));
        EXPECT_EQ(upcall_count, before + 1);
        EXPECT_EQ(last_upcall.rip, address(user ? user_landing : kernel_landing));
        EXPECT(keeps({.user = user})); // nothing waits now
        EXPECT_EQ(upcall_count, before + 1);
    }
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    install_upcalls();
    install_user_mode();
    to_the_kernel();
    to_user_mode();
    single_steps();
    events_come_first();
    finish();
}
