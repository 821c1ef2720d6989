// SPDX-License-Identifier: MIT
// An iret whose frame cannot be read, as a guest's last act (surface 1.9); before that, one to an address that is not
// canonical, which must come back as the guest's own fault (gotchas 1, 3).
#include <tests/guests/runtime/guest.hpp>

using namespace guest;

void run()
{
    install_shared();
    install_traps();
    // rax, r11, rcx, flags, rip, cs, rflags, rsp, ss: kernel mode, RIP not canonical.
    // Hardware refuses the address in the IRET (#GP); QEMU 7.2's TCG first fetches from it (#PF).
    unsigned const before = trap_count;
    (void)(TRAPS(13, "mov %%rsp, %%rdx; pushq $0xe02b; pushq %%rdx; pushq $0x202; pushq $0xe030\n\t"
                     "mov $0x8000000000000000, %%rax; pushq %%rax; pushq $0; pushq $0; pushq $0; pushq $0\n\t"
                     "mov $23, %%eax; syscall"));
    EXPECT(trap_count == before + 1 && (last_trap.vector == 13 || last_trap.vector == 14));
    expect_crash();
    asm volatile("mov $0x7000000000, %%rsp; mov $23, %%eax; syscall" : : : "memory");
    finish();
}
