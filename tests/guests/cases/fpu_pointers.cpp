// SPDX-License-Identifier: MIT
// AMD's FXRSTOR and XRSTOR leave the pointers to the last x87 instruction and its operand as they are, so the next domain on
// the CPU could read with FNSTENV where the previous one's code and data lie (CVE-2006-1056). QEMU's FXRSTOR and XRSTOR do
// not restore them either, and its CPU models say that they are AMD's.
#include <tests/guests/runtime/child.hpp>

using namespace guest;

namespace
{

// FNSTENV in 64-bit mode: the protected-mode format with 32-bit operands (AMD APM vol. 2, figure 11-11).
struct X87Environment
{
    std::uint32_t control, status, tags, instruction, selector_and_opcode, data, data_selector;
};
static_assert(sizeof(X87Environment) == 28);

X87Environment environment()
{
    X87Environment now;
    asm volatile("fnstenv %0; fldcw %0" : "=m"(now)); // FNSTENV masks all exceptions
    return now;
}

double operand;

// The last instruction with an operand; nobody but the child comes here.
[[gnu::noinline]] std::uint64_t calculate()
{
    std::uint64_t here;
    asm volatile("fld1\n\t"
                 "lea 1f(%%rip), %0\n"
                 "1: fstpl %1"
                 : "=r"(here), "=m"(operand));
    return here;
}

void calculates()
{
    mailbox.values[0] = calculate();
    X87Environment const now = environment();
    mailbox.values[1] = now.instruction; // so that the parent knows that there was something to find
    mailbox.values[2] = now.data;
    child_ends();
}

} // namespace

void run()
{
    install_shared();
    install_traps();
    Child& child = start_child(calculates);
    EXPECT_EQ(wait_for_end(child), SHUTDOWN_poweroff);
    X87Environment const mine = environment();
    std::uint32_t const code = static_cast<std::uint32_t>(child.box->values[0]);
    EXPECT(code != 0);
    EXPECT_EQ(child.box->values[1], code);
    EXPECT_EQ(child.box->values[2], static_cast<std::uint32_t>(address(&operand)));
    EXPECT_EQ(mine.instruction, 0);
    EXPECT_EQ(mine.data, 0);
    EXPECT_EQ(mine.selector_and_opcode, 0);
    destroy(child);
    finish();
}
