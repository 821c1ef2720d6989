// SPDX-License-Identifier: MIT
// The MSR table: lookup, vendors, and registers that must stay out of reach.
#include <core/policy/msr_rules.hpp>

#include <gtest/gtest.h>

namespace hv::policy
{
namespace
{

TEST(MsrRules, LookupFindsEdgesAndNothingElse)
{
    EXPECT_EQ(find_msr_rule(0x400, true, false).read, MsrRead::Zero);
    EXPECT_EQ(find_msr_rule(0x47f, true, false).read, MsrRead::Zero);
    EXPECT_EQ(find_msr_rule(0x480, true, false).read, MsrRead::Fault);
    EXPECT_EQ(find_msr_rule(0x3ff, true, false).read, MsrRead::Fault);
    EXPECT_EQ(find_msr_rule(0, true, false).write, MsrWrite::Fault);
    EXPECT_EQ(find_msr_rule(0xffffffff, true, false).read, MsrRead::Fault);
    EXPECT_EQ(find_msr_rule(0xc001102a, false, true).read, MsrRead::Fault); // one above the last row
    EXPECT_EQ(find_msr_rule(0xc0011029, false, true).read, MsrRead::Value);
    EXPECT_EQ(find_msr_rule(0xc0000100, false, true).write, MsrWrite::FsBase);
}

TEST(MsrRules, VendorsHaveTheirOwn)
{
    EXPECT_EQ(find_msr_rule(0x8b, true, false).write, MsrWrite::ZeroOnly);
    EXPECT_EQ(find_msr_rule(0x8b, false, true).write, MsrWrite::Fault);
    EXPECT_EQ(find_msr_rule(0x8b, false, true).read, MsrRead::Hardware);
    EXPECT_EQ(find_msr_rule(0x8b, false, false).read, MsrRead::Fault);
    EXPECT_EQ(find_msr_rule(0x1a0, false, true).read, MsrRead::Fault);
    EXPECT_EQ(find_msr_rule(0xc0011029, true, false).read, MsrRead::Fault);
}

TEST(MsrRules, WhatIsOursHasNoRule)
{
    // Energy counters (XSA-351), SYSCALL and SYSENTER entry points, debug control, feature control, the power limits.
    for (std::uint32_t const index :
         {0x606u,      0x611u,      0x619u,      0x639u, 0x641u, 0xc001029au, 0xc001029bu, 0xc0000081u,
          0xc0000082u, 0xc0000083u, 0xc0000084u, 0x174u, 0x175u, 0x176u,      0x1d9u,      0x3au,
          0x48u,       0x10bu,      0x6e0u,      0x830u, 0xd90u, 0xda0u,      0xc0010117u})
    {
        EXPECT_EQ(find_msr_rule(index, true, false).read, MsrRead::Fault) << std::hex << index;
        EXPECT_EQ(find_msr_rule(index, true, false).write, MsrWrite::Fault) << std::hex << index;
        EXPECT_EQ(find_msr_rule(index, false, true).write, MsrWrite::Fault) << std::hex << index;
    }
}

} // namespace
} // namespace hv::policy
