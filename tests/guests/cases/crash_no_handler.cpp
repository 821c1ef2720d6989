// SPDX-License-Identifier: MIT
// An exception without a handler ends the guest with a reason (surface 1.4).
#include <tests/guests/runtime/guest.hpp>

using namespace guest;

void run()
{
    EXPECT_EQ(call(__HYPERVISOR_set_trap_table, 0), 0);
    expect_crash();
    asm volatile("ud2");
    finish();
}
