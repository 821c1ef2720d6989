// SPDX-License-Identifier: MIT
// Debug registers: what a guest may set, and what reaches the hardware.
#include <core/emulate/fake_machine.hpp>
#include <core/policy/control_registers.hpp>
#include <core/policy/debug_registers.hpp>

#include <gtest/gtest.h>

namespace hv::policy
{
namespace
{

class DebugRegisters : public testing::Test
{
protected:
    Errno set(std::uint64_t number, std::uint64_t value)
    {
        return set_debug_register(machine_.vcpu, number, value).error();
    }
    std::uint64_t get(std::uint64_t number) { return *get_debug_register(machine_.vcpu, number); }

    emulate::test::FakeMachine machine_;
    PvState& state_ = machine_.vcpu.pv;
};

TEST_F(DebugRegisters, AddressesMustBeTheGuests) // XSA-444
{
    EXPECT_EQ(set(0, 0x400000), Errno::None);
    EXPECT_EQ(set(3, 0xffffffff81000000), Errno::None);
    EXPECT_EQ(set(1, kHypervisorStart), Errno::Perm);
    EXPECT_EQ(set(1, kHypervisorEnd - 1), Errno::Perm);
    EXPECT_EQ(set(1, kHypervisorEnd), Errno::None);
    EXPECT_EQ(set(1, 0x800000000000), Errno::Perm);
    EXPECT_EQ(get(0), 0x400000u);
    EXPECT_EQ(get(1), kHypervisorEnd);
    EXPECT_EQ(get(2), 0u);
}

TEST_F(DebugRegisters, AliasesDependOnCr4)
{
    EXPECT_EQ(get(4), 0xffff0ff0u);
    EXPECT_EQ(get(5), 0x400u);
    EXPECT_EQ(set(5, 0x401), Errno::None);
    EXPECT_EQ(get(7), 0x401u);
    state_.cr4 = kCr4DebuggingExtensions;
    EXPECT_EQ(set(4, 0), Errno::NoDev);
    EXPECT_EQ(get_debug_register(machine_.vcpu, 5).error(), Errno::NoDev);
    EXPECT_EQ(set(8, 0), Errno::NoDev);
    EXPECT_EQ(get_debug_register(machine_.vcpu, ~0ull).error(), Errno::NoDev);
}

TEST_F(DebugRegisters, UpperHalvesAndGeneralDetectAreRefused)
{
    EXPECT_EQ(set(6, 1ull << 32), Errno::Inval);
    EXPECT_EQ(set(7, 1ull << 32), Errno::Inval);
    EXPECT_EQ(set(7, 1 << 13), Errno::Perm);
    EXPECT_EQ(get(7), 0x400u);
}

TEST_F(DebugRegisters, FixedBitsReadAsTheCpuHasThem)
{
    EXPECT_EQ(set(6, 0), Errno::None);
    EXPECT_EQ(get(6), 0xffff0ff0u);
    EXPECT_EQ(set(6, 0xffffffff), Errno::None);
    EXPECT_EQ(get(6), 0xffffefffu);
    EXPECT_EQ(set(7, 0xd001), Errno::None);
    EXPECT_EQ(get(7), 0x401u);
}

TEST_F(DebugRegisters, IoBreakpointsNeedDebuggingExtensions)
{
    std::uint64_t const on_io = 0x400 | 1 << 2 | 2 << 20;
    EXPECT_EQ(set(7, 0x403), Errno::None);
    EXPECT_EQ(set(7, on_io), Errno::Perm);
    EXPECT_EQ(get(7), 0x403u);                       // untouched
    EXPECT_EQ(set(7, 0x400 | 2 << 20), Errno::None); // not enabled: harmless
    state_.cr4 = kCr4DebuggingExtensions;
    EXPECT_EQ(set(7, on_io), Errno::None);
    EXPECT_EQ(hardware_dr7(state_), kDr7Reset); // emulated, so kept out of the hardware
    EXPECT_EQ(set(7, on_io | 1 << 4 | 1 << 24), Errno::None);
    EXPECT_EQ(hardware_dr7(state_), 0x400u | 1 << 4 | 1 << 24);
}

} // namespace
} // namespace hv::policy
