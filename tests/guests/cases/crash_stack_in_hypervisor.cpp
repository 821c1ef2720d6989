// SPDX-License-Identifier: MIT
// A fault with the stack pointer in the hypervisor's range must crash the guest, not write there (gotcha 4).
#include <tests/guests/runtime/guest.hpp>

using namespace guest;

void run()
{
    install_shared();
    install_traps();
    expect_crash();
    asm volatile("mov $0xffff840000200000, %%rsp; ud2" : : : "memory");
    finish();
}
