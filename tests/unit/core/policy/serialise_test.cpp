// SPDX-License-Identifier: MIT
// Policies on their way to the tools and back: order, limits, refusals, and that nothing forbidden gets in.
#include <core/domain/domain.hpp>
#include <core/emulate/fake_machine.hpp>
#include <core/policy/fake_cpu.hpp>
#include <core/policy/serialise.hpp>
#include <core/policy/system_policies.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace hv::policy
{
namespace
{

std::vector<abi::xen_cpuid_leaf> leaves_of(CpuPolicy const& policy)
{
    std::vector<abi::xen_cpuid_leaf> leaves;
    abi::xen_cpuid_leaf leaf;
    for (std::uint32_t position = 0; next_leaf(policy, position, leaf);)
        leaves.push_back(leaf);
    return leaves;
}

class Serialise : public testing::Test
{
protected:
    Serialise()
    {
        test::FakeCpu cpu(false);
        initialise_policies(cpu, {40, 2400000, true, 0x80000000, -1});
        machine_.policy = system_policies().pv_default;
    }
    Domain& domain() { return machine_.domain(); }
    CpuPolicy const& maximum() const { return system_policies().pv_maximum; }

    emulate::test::FakeMachine machine_;
};

TEST_F(Serialise, LeavesAscendAndFitTheirBounds)
{
    for (std::uint32_t index : {0u, 1u, 2u, 4u})
    {
        CpuPolicy const& policy = **system_policy(index);
        std::vector<abi::xen_cpuid_leaf> const leaves = leaves_of(policy);
        EXPECT_LE(leaves.size(), kMaxSerialisedLeaves);
        EXPECT_EQ(leaves.size(), count_leaves(policy));
        for (std::size_t i = 1; i < leaves.size(); ++i)
            EXPECT_LT(std::pair(leaves[i - 1].leaf, leaves[i - 1].subleaf),
                      std::pair(leaves[i].leaf, leaves[i].subleaf));
        EXPECT_EQ(leaves.front().leaf, 0u);
        EXPECT_EQ(leaves.front().subleaf, XEN_CPUID_NO_SUBLEAF);
    }
}

TEST_F(Serialise, WhatGoesOutComesBackTheSame)
{
    PolicyUpdate update{CpuPolicy{}};
    for (abi::xen_cpuid_leaf const& leaf : leaves_of(machine_.policy))
        ASSERT_TRUE(update.apply(leaf)) << std::hex << leaf.leaf << '.' << leaf.subleaf;
    abi::xen_msr_entry entry;
    std::uint32_t msrs = 0;
    for (std::uint32_t position = 0; next_msr(machine_.policy, position, entry); ++msrs)
        ASSERT_TRUE(update.apply(entry));
    EXPECT_EQ(msrs, kMaxSerialisedMsrs);
    CpuPolicy const before = machine_.policy;
    ASSERT_TRUE(update.commit(domain(), maximum()));
    EXPECT_EQ(leaves_of(machine_.policy).size(), leaves_of(before).size());
    EXPECT_EQ(std::memcmp(&machine_.policy, &before, sizeof before), 0);
}

TEST_F(Serialise, UnknownLeavesAreNamed)
{
    PolicyUpdate update(machine_.policy);
    EXPECT_EQ(update.apply(abi::xen_cpuid_leaf{0x14, XEN_CPUID_NO_SUBLEAF, 1, 0, 0, 0}).error(), Errno::Range);
    EXPECT_EQ(update.error().leaf, 0x14u);
    EXPECT_EQ(update.apply(abi::xen_cpuid_leaf{7, 3, 0, 1, 0, 0}).error(), Errno::Range);
    EXPECT_EQ(update.error().subleaf, 3u);
    EXPECT_EQ(update.apply(abi::xen_cpuid_leaf{7, XEN_CPUID_NO_SUBLEAF, 0, 0, 1, 0}).error(), Errno::Range);
    EXPECT_EQ(update.apply(abi::xen_cpuid_leaf{1, 0, 0, 0, 0, 1}).error(), Errno::Range);
    // Nothing is lost by leaving out what reads as zero anyway.
    EXPECT_TRUE(update.apply(abi::xen_cpuid_leaf{0xd, 63, 0, 0, 0, 0}));
    EXPECT_TRUE(update.apply(abi::xen_cpuid_leaf{0x40000000, XEN_CPUID_NO_SUBLEAF, 5, 0, 0, 0}));
}

TEST_F(Serialise, MsrsAreChecked)
{
    PolicyUpdate update(machine_.policy);
    EXPECT_EQ(update.apply(abi::xen_msr_entry{0x3a, 0, 0}).error(), Errno::Range);
    EXPECT_EQ(update.error().msr, 0x3au);
    EXPECT_EQ(update.apply(abi::xen_msr_entry{0xce, 1, 0}).error(), Errno::Inval);
    EXPECT_EQ(update.apply(abi::xen_msr_entry{0xce, 0, 1ull << 32}).error(), Errno::Overflow);
    EXPECT_TRUE(update.apply(abi::xen_msr_entry{0xce, 0, 1u << 31}));
    EXPECT_EQ(update.error().msr, ~0u);
    EXPECT_EQ(update.commit(domain(), maximum()).error(), Errno::Inval);
    EXPECT_EQ(update.error().msr, 0xceu);
}

TEST_F(Serialise, LimitsBeyondTheMaximumAreRefusedAndNamed)
{
    CpuPolicy const before = machine_.policy;
    struct
    {
        abi::xen_cpuid_leaf leaf;
    } const kBad[] = {
        {{0, XEN_CPUID_NO_SUBLEAF, 0xe, 0, 0, 0}},
        {{7, 0, 3, 0, 0, 0}},
        {{0x80000000, XEN_CPUID_NO_SUBLEAF, 0x80000022, 0, 0, 0}},
    };
    for (auto const& bad : kBad)
    {
        PolicyUpdate update(machine_.policy);
        ASSERT_TRUE(update.apply(bad.leaf));
        EXPECT_EQ(update.commit(domain(), maximum()).error(), Errno::Inval);
        EXPECT_EQ(update.error().leaf, bad.leaf.leaf);
        EXPECT_EQ(update.error().subleaf, bad.leaf.subleaf);
    }
    EXPECT_EQ(std::memcmp(&machine_.policy, &before, sizeof before), 0);
}

TEST_F(Serialise, ForbiddenFeaturesAreDropped)
{
    PolicyUpdate update(machine_.policy);
    ASSERT_TRUE(update.apply(abi::xen_cpuid_leaf{1, XEN_CPUID_NO_SUBLEAF, 0x506e3, ~0u, ~0u, ~0u}));
    ASSERT_TRUE(update.apply(abi::xen_cpuid_leaf{7, 0, 2, ~0u, ~0u, ~0u}));
    ASSERT_TRUE(update.apply(abi::xen_cpuid_leaf{0xd, 0, ~0u, ~0u, ~0u, ~0u}));
    ASSERT_TRUE(update.apply(abi::xen_cpuid_leaf{0x80000008, XEN_CPUID_NO_SUBLEAF, ~0u, ~0u, ~0u, ~0u}));
    ASSERT_TRUE(update.commit(domain(), maximum()));
    FeatureSet const allowed = maximum().features();
    EXPECT_EQ(machine_.policy.features() & allowed, machine_.policy.features());
    EXPECT_FALSE(machine_.policy.has(abi::XEN_X86_FEATURE_SMAP));
    EXPECT_FALSE(machine_.policy.has(abi::XEN_X86_FEATURE_OSXSAVE));
    EXPECT_TRUE(machine_.policy.has(abi::XEN_X86_FEATURE_HTT)); // on request
    EXPECT_EQ(machine_.policy.xcr0_mask(), 0xe7u);
    EXPECT_EQ(machine_.policy.basic[1].b, 0xff00u);
    EXPECT_EQ(machine_.policy.extended[8].a, maximum().extended[8].a);
}

TEST_F(Serialise, FeaturesCanBeTakenAway)
{
    PolicyUpdate update(machine_.policy);
    abi::xen_cpuid_leaf leaf{1, XEN_CPUID_NO_SUBLEAF, 0x506e3, 0, 0, 0};
    leaf.c = machine_.policy.basic[1].c & ~(1u << 26); // no XSAVE
    leaf.d = machine_.policy.basic[1].d;
    ASSERT_TRUE(update.apply(leaf));
    ASSERT_TRUE(update.commit(domain(), maximum()));
    EXPECT_FALSE(machine_.policy.has(abi::XEN_X86_FEATURE_AVX2));
    EXPECT_EQ(machine_.policy.xcr0_mask(), 0u);
    EXPECT_TRUE(machine_.policy.has(abi::XEN_X86_FEATURE_SSE4_2));
}

TEST_F(Serialise, ARunningDomainKeepsItsPolicy)
{
    domain().life = Life::Alive;
    PolicyUpdate update(machine_.policy);
    EXPECT_EQ(update.commit(domain(), maximum()).error(), Errno::Exist);
}

TEST_F(Serialise, IndexesOfTheTools)
{
    EXPECT_EQ(system_policy(3).error(), Errno::OpNotSupp);
    EXPECT_EQ(system_policy(5).error(), Errno::OpNotSupp);
    EXPECT_EQ(system_policy(6).error(), Errno::Inval);
    EXPECT_EQ(system_features(3).error(), Errno::OpNotSupp);
    EXPECT_EQ(system_features(6).error(), Errno::Inval);
    EXPECT_EQ(*system_features(2), system_policies().pv_default.features());
    EXPECT_EQ(*system_features(4), system_policies().pv_maximum.features());
    EXPECT_EQ(levelling_capabilities(), 0u);
}

} // namespace
} // namespace hv::policy
