// SPDX-License-Identifier: MIT
// System calls of 32-bit programs: SYSCALL on AMD's CPUs, SYSENTER on Intel's, each through a callback of its own.
#include <tests/guests/runtime/modes.hpp>

using namespace guest;

extern "C"
{
    extern char syscall_entry[];
    extern char syscall_in_32_bits[], syscall_in_32_bits_end[], sysenter_in_32_bits[], sysenter_in_64_bits[], done[],
        done_in_32_bits[];
}

asm(R"(
        .text
        .globl  syscall_in_32_bits, syscall_in_32_bits_end, sysenter_in_32_bits, sysenter_in_64_bits, done, done_in_32_bits
        .code32
done_in_32_bits:
        ljmp    $0xe033, $done
syscall_in_32_bits:
        movl    $0x5000321, %eax
        syscall
syscall_in_32_bits_end:
        ud2
sysenter_in_32_bits:
        movl    $0x5000322, %eax
        movl    $0x77, %ecx
        sysenter
        .code64
sysenter_in_64_bits:
        movl    $0x5000641, %eax
        movl    $0x77, %ecx
        movl    $0x88, %r11d
        sysenter
done:
        movl    $0x600d, %eax
        syscall
)");

namespace
{

constexpr std::uint64_t kFlags = 0x202;
constexpr std::uint64_t kTrap = 1 << 8;
constexpr std::uint64_t kNestedTask = 1 << 14;

void set_callback(unsigned type, std::uint64_t handler)
{
    abi::callback_register const callback{
        .type = static_cast<std::uint16_t>(type), .flags = CALLBACKF_mask_events, .address = handler};
    EXPECT_EQ(call(__HYPERVISOR_callback_op, CALLBACKOP_register, address(&callback)), 0);
}

bool on_intel()
{
    std::uint32_t leaf = 0, b, c, d;
    asm volatile("cpuid" : "+a"(leaf), "=b"(b), "=c"(c), "=d"(d));
    return b == 0x756e6547; // "Genu"
}

std::uint64_t run_32(char const* code, std::uint64_t flags = kFlags)
{
    return run_user(address(code), 0, flags, FLAT_RING3_CS32);
}

// Nobody is there for SYSENTER: #GP, with a frame that says as little. No trap handler could return by it, so this one ends
// the program.
void sysenter_faults(std::uint64_t selector, char const* code)
{
    abi::trap_info table[2] = {};
    table[0] = {.vector = 13, .flags = 4, .cs = FLAT_KERNEL_CS, .address = address(syscall_entry)};
    EXPECT_EQ(call(__HYPERVISOR_set_trap_table, address(table)), 0);
    run_user(address(code), 0, kFlags, selector);
    install_traps();
    EXPECT_EQ(user_frame[2], 0); // the error code
    EXPECT_EQ(user_frame[3], 0);
    EXPECT_EQ(user_frame[4] & 0xffff, 3);
}

void syscalls()
{
    unsigned const before = trap_count;
    resume_at = address(done_in_32_bits);
    run_32(syscall_in_32_bits);
    resume_at = 0;
    EXPECT_EQ(trap_count, before + 1); // nobody there: #UD at the instruction
    EXPECT_EQ(last_trap.vector, 6);
    EXPECT_EQ(last_trap.rip, address(syscall_in_32_bits_end) - 2);
    set_callback(CALLBACKTYPE_syscall32, address(syscall_entry));
    EXPECT_EQ(run_32(syscall_in_32_bits), 0x5000321);
    EXPECT_EQ(user_frame[2], address(syscall_in_32_bits_end));
    EXPECT_EQ(user_frame[3] & 0xffff, FLAT_RING3_CS32);
    EXPECT_EQ(user_frame[6] & 0xffff, FLAT_RING3_DS32);
    EXPECT_EQ(shared().vcpu_info[0].evtchn_upcall_mask, 1);
}

// The frame says nothing of where it came from, whatever flags were set.
void sysenter_frame(std::uint64_t rax)
{
    EXPECT_EQ(user_frame[0], 0x77);
    EXPECT_EQ(user_frame[2], 0);
    EXPECT_EQ(user_frame[3] & 0xffff, 3);
    EXPECT((user_frame[4] & 0x200) != 0);
    EXPECT_EQ(user_frame[5], 0);
    EXPECT_EQ(user_frame[6] & 0xffff, FLAT_USER_SS);
    EXPECT(rax == 0x5000322 || rax == 0x5000641);
}

void sysenters()
{
    sysenter_faults(FLAT_RING3_CS32, sysenter_in_32_bits);
    sysenter_faults(FLAT_USER_CS, sysenter_in_64_bits);
    set_callback(CALLBACKTYPE_sysenter, address(syscall_entry));
    sysenter_frame(run_32(sysenter_in_32_bits));
    sysenter_frame(run_user(address(sysenter_in_64_bits), 0, kFlags, FLAT_USER_CS));
    EXPECT_EQ(user_frame[1], 0x88);
    // What SYSENTER does not clear reaches neither us nor the kernel (XSA-44); TF gives #DB at our first instructions.
    sysenter_frame(run_32(sysenter_in_32_bits, kFlags | kTrap));
    std::uint64_t code;
    asm volatile("jmp 2f\n1: pushfq; orq $0x44000, (%%rsp); popfq; std; jmp sysenter_in_64_bits\n2: lea 1b(%%rip), %0"
                 : "=r"(code));
    sysenter_frame(run_user(code));
    EXPECT((user_frame[4] & kNestedTask) != 0);
    std::uint64_t flags;
    asm volatile("pushfq; pop %0" : "=r"(flags));
    EXPECT((flags & (kNestedTask | kTrap)) == 0);
    EXPECT_EQ(call(__HYPERVISOR_xen_version, XENVER_version), 0x00040011);
    EXPECT(TRAPS(6, "ud2"));
    abi::callback_unregister const gone{.type = CALLBACKTYPE_sysenter, ._unused = 0};
    EXPECT_EQ(call(__HYPERVISOR_callback_op, CALLBACKOP_unregister, address(&gone)), 0);
    sysenter_faults(FLAT_RING3_CS32, sysenter_in_32_bits);
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    install_user_mode();
    if (on_intel())
        sysenters();
    else
        syscalls();
    finish();
}
