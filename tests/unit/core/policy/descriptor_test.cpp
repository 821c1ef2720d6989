// SPDX-License-Identifier: MIT
// The descriptor audit: exhaustively over the access byte, and by hand for the odd cases.
#include <core/policy/descriptor.hpp>

#include <gtest/gtest.h>

namespace hv::policy
{
namespace
{

constexpr std::uint64_t make(std::uint8_t access, std::uint8_t flags = 0xa)
{
    return std::uint64_t{access} << 40 | std::uint64_t{flags} << 52 | 0x000f00000000ffff;
}

TEST(Descriptor, NoAccessByteLeadsBelowRingThree)
{
    for (unsigned access = 0; access < 256; ++access)
    {
        for (unsigned flags = 0; flags < 16; ++flags)
        {
            SCOPED_TRACE(testing::Message() << std::hex << access << ' ' << flags);
            std::uint64_t const before = make(static_cast<std::uint8_t>(access), static_cast<std::uint8_t>(flags));
            std::uint64_t after = before;
            bool const present = (access & 0x80) != 0;
            bool const segment = (access & 0x10) != 0;
            bool const long_and_big = segment && (access & 8) != 0 && (flags & 6) == 6;
            if (!audit_descriptor(after))
            {
                EXPECT_TRUE(present);
                EXPECT_TRUE(!segment || long_and_big);
                EXPECT_EQ(after, before);
                continue;
            }
            if (!present)
            {
                EXPECT_EQ(after, before);
                continue;
            }
            if (segment)
                EXPECT_EQ(after, before | 3ull << 45);
            else
                EXPECT_TRUE((access & 0xf) == 0 || (access & 0xf) == 0xc);
        }
    }
}

TEST(Descriptor, SystemSegmentsAreRefused)
{
    for (std::uint8_t const access : {0x82 /* LDT */, 0x89 /* TSS */, 0x8b /* busy TSS */, 0x85 /* task gate */,
                                      0x8e /* interrupt gate */, 0x8f /* trap gate */, 0xe5, 0x81, 0x84, 0x86, 0x87})
    {
        std::uint64_t descriptor = make(access);
        EXPECT_FALSE(audit_descriptor(descriptor)) << std::hex << unsigned{access};
    }
}

TEST(Descriptor, CallGatesKeepTheirPrivilegeInTheSelector)
{
    auto const gate = [](std::uint16_t selector, unsigned dpl) {
        return std::uint64_t{selector} << 16 | 0x00000c00ull << 32 | 1ull << 47 | std::uint64_t{dpl} << 45 | 0x1234;
    };
    std::uint64_t descriptor = gate(0x33, 3);
    ASSERT_TRUE(audit_descriptor(descriptor));
    EXPECT_EQ(descriptor >> 45 & 3, 0u);
    EXPECT_EQ(descriptor >> 16 & 0xffff, 0x33u);
    EXPECT_EQ(descriptor & 0xffff, 0x1234u);
    descriptor = gate(0x33, 1);
    ASSERT_TRUE(audit_descriptor(descriptor));
    EXPECT_EQ(descriptor >> 16 & 0xffff, 0x31u);
    descriptor = gate(0xe033, 0);
    EXPECT_TRUE(audit_descriptor(descriptor));
    for (std::uint16_t const selector : {0x0000, 0x0003, 0xe008, 0xe010, 0xe02b, 0xe100})
    {
        descriptor = gate(selector, 3);
        EXPECT_FALSE(audit_descriptor(descriptor)) << std::hex << selector;
    }
}

TEST(Descriptor, Selectors)
{
    EXPECT_EQ(fix_selector(0x10), 0x13);
    EXPECT_EQ(fix_data_selector(0), 0);
    EXPECT_EQ(fix_data_selector(3), 3);
    EXPECT_EQ(fix_data_selector(0x18), 0x1b);
    EXPECT_FALSE(is_reserved_selector(0xdfff));
    EXPECT_TRUE(is_reserved_selector(0xe000));
    EXPECT_FALSE(is_reserved_selector(0xe007)); // in the LDT
}

} // namespace
} // namespace hv::policy
