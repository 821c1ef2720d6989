// SPDX-License-Identifier: MIT
// CPU policies: what is hidden from guests, what follows from what, and CPUID as a guest executes it.
#include <core/emulate/fake_machine.hpp>
#include <core/policy/fake_cpu.hpp>
#include <core/policy/guest_cpuid.hpp>
#include <core/policy/system_policies.hpp>

#include <core/policy/control_registers.hpp>

#include <gtest/gtest.h>

namespace hv::policy
{
namespace
{

using test::FakeCpu;

CpuPolicy pv_default(FakeCpu& cpu)
{
    return derive_pv_policy(derive_host_policy(read_raw_policy(cpu), cpu), kPvDefault);
}

TEST(CpuPolicy, FeaturesGoInAndOutUnchanged)
{
    FeatureSet every;
    for (unsigned i = 0; i < kFeatureWords; ++i)
        every.words[i] = 0x11111111u * (i % 15 + 1);
    CpuPolicy policy;
    policy.set_features(every);
    EXPECT_EQ(policy.features(), every);
}

TEST(CpuPolicy, GuestsSeeNothingThatTheirKernelMustNotUse)
{
    for (bool const intel : {true, false})
    {
        FakeCpu cpu(intel);
        FeatureSet const seen = pv_default(cpu).features();
#define HV_HIDDEN(name) EXPECT_FALSE(seen.test(abi::XEN_X86_FEATURE_##name)) << #name
        HV_HIDDEN(VME);
        HV_HIDDEN(PSE);
        HV_HIDDEN(PGE);
        HV_HIDDEN(PSE36);
        HV_HIDDEN(PAGE1GB);
        HV_HIDDEN(PCID);
        HV_HIDDEN(INVPCID);
        HV_HIDDEN(SMEP);
        HV_HIDDEN(SMAP);
        HV_HIDDEN(UMIP);
        HV_HIDDEN(PKU);
        HV_HIDDEN(OSPKE);
        HV_HIDDEN(MTRR);
        HV_HIDDEN(X2APIC);
        HV_HIDDEN(TSC_DEADLINE);
        HV_HIDDEN(TSC_ADJUST);
        HV_HIDDEN(XSAVES);
        HV_HIDDEN(VMX);
        HV_HIDDEN(SVM);
        HV_HIDDEN(MONITOR);
        HV_HIDDEN(DS);
        HV_HIDDEN(PDCM);
        HV_HIDDEN(MPX);
        HV_HIDDEN(CET_SS);
        HV_HIDDEN(CET_IBT);
        HV_HIDDEN(ENQCMD);
        HV_HIDDEN(SGX);
        HV_HIDDEN(LWP);
        HV_HIDDEN(TOPOEXT);
        HV_HIDDEN(DBEXT);
        HV_HIDDEN(IBRSB);
        HV_HIDDEN(OSXSAVE);
        HV_HIDDEN(HTT);
        HV_HIDDEN(ITSC);
#undef HV_HIDDEN
        EXPECT_EQ(pv_default(cpu).feature[0].c & 1u << 16, 0u) << "LA57";
    }
}

TEST(CpuPolicy, GuestsSeeWhatTheyNeed)
{
    FakeCpu cpu;
    FeatureSet const seen = pv_default(cpu).features();
#define HV_SHOWN(name) EXPECT_TRUE(seen.test(abi::XEN_X86_FEATURE_##name)) << #name
    HV_SHOWN(FPU);
    HV_SHOWN(PAE);
    HV_SHOWN(CX8);
    HV_SHOWN(SEP);
    HV_SHOWN(PAT);
    HV_SHOWN(FXSR);
    HV_SHOWN(SSE2);
    HV_SHOWN(CX16);
    HV_SHOWN(XSAVE);
    HV_SHOWN(AVX);
    HV_SHOWN(AVX2);
    HV_SHOWN(AVX512F);
    HV_SHOWN(FSGSBASE);
    HV_SHOWN(RDRAND);
    HV_SHOWN(HYPERVISOR);
    HV_SHOWN(SYSCALL);
    HV_SHOWN(NX);
    HV_SHOWN(LM);
    HV_SHOWN(RDTSCP);
#undef HV_SHOWN
}

TEST(CpuPolicy, HypervisorBitIsSetOnBareMachinesToo)
{
    FakeCpu cpu;
    cpu.leaves[{1, 0}].c &= ~(1u << 31);
    EXPECT_TRUE(pv_default(cpu).has(abi::XEN_X86_FEATURE_HYPERVISOR));
}

TEST(CpuPolicy, MachineFactsAreHidden)
{
    FakeCpu cpu(false);
    CpuPolicy const policy = pv_default(cpu);
    EXPECT_EQ(policy.basic[1].b, 0x0800u); // no APIC id, no thread count
    EXPECT_EQ(policy.basic[5], CpuidLeaf{});
    EXPECT_EQ(policy.basic[6], CpuidLeaf{});
    EXPECT_EQ(policy.basic[0xa], CpuidLeaf{});
    EXPECT_EQ(policy.topology[0], CpuidLeaf{});
    EXPECT_EQ(policy.extended[8].a, 0x3034u); // 57 linear bits become 48
    EXPECT_EQ(policy.extended[8].c, 0u);
    EXPECT_EQ(policy.extended[0xa], CpuidLeaf{}); // SVM
    EXPECT_EQ(policy.max_extended(), 0x80000021u);
    EXPECT_EQ(policy.max_basic(), 0xdu);
}

TEST(CpuPolicy, XsaveFollowsWhatWeSwitch)
{
    FakeCpu cpu;
    EXPECT_EQ(pv_default(cpu).xcr0_mask(), 0xe7u);
    EXPECT_EQ(pv_default(cpu).xsave[0].c, 0x680u + 0x400u);
    EXPECT_EQ(pv_default(cpu).xsave[3], CpuidLeaf{}); // MPX
    EXPECT_EQ(pv_default(cpu).xsave[9], CpuidLeaf{}); // protection keys

    cpu.xcr0 = 7;
    EXPECT_EQ(pv_default(cpu).xcr0_mask(), 7u);
    EXPECT_FALSE(pv_default(cpu).has(abi::XEN_X86_FEATURE_AVX512F));
    EXPECT_FALSE(pv_default(cpu).has(abi::XEN_X86_FEATURE_AVX512BW));
    EXPECT_TRUE(pv_default(cpu).has(abi::XEN_X86_FEATURE_AVX2));

    cpu.xcr0 = 0;
    CpuPolicy const none = pv_default(cpu);
    EXPECT_EQ(none.xcr0_mask(), 0u);
    EXPECT_FALSE(none.has(abi::XEN_X86_FEATURE_XSAVE));
    EXPECT_FALSE(none.has(abi::XEN_X86_FEATURE_AVX));
    EXPECT_FALSE(none.has(abi::XEN_X86_FEATURE_FMA));
    EXPECT_FALSE(none.has(abi::XEN_X86_FEATURE_XSAVEC));
    EXPECT_EQ(none.xsave[0], CpuidLeaf{});
}

TEST(CpuPolicy, OldCpusAreTakenAsTheyAre)
{
    FakeCpu cpu;
    cpu.leaves[{0, 0}].a = 4;
    cpu.leaves[{0x80000000, 0}] = {4, 0, 0, 0}; // no extended leaves: the CPU answers with its highest basic leaf
    CpuPolicy const policy = pv_default(cpu);
    EXPECT_EQ(policy.max_basic(), 4u);
    EXPECT_EQ(policy.max_extended(), 0x80000000u);
    EXPECT_EQ(policy.feature[0], CpuidLeaf{});
    EXPECT_FALSE(policy.has(abi::XEN_X86_FEATURE_LM));
}

TEST(CpuPolicy, SizesOfXsaveAreas)
{
    FakeCpu cpu;
    CpuPolicy const policy = pv_default(cpu);
    EXPECT_EQ(policy.xsave_size(3), 576u);
    EXPECT_EQ(policy.xsave_size(7), 832u);
    EXPECT_EQ(policy.xsave_compact_size(7), 832u);
    EXPECT_EQ(policy.xsave_compact_size(0xe7), 576u + 0x100 + 0x40 + 0x200 + 0x400);
}

class GuestCpuid : public testing::Test
{
protected:
    GuestCpuid()
    {
        FakeCpu cpu;
        initialise_policies(cpu, {40, 2400000, true, 0x80000000, -1});
        machine_.policy = system_policies().pv_default;
    }
    CpuidLeaf ask(std::uint32_t leaf, std::uint32_t subleaf = 0, bool forced = true)
    {
        return guest_cpuid(machine_.vcpu, leaf, subleaf, forced);
    }
    emulate::test::FakeMachine machine_;
};

TEST_F(GuestCpuid, OsXsaveIsShownEarlyToTheForcedKernelView)
{
    constexpr std::uint32_t kBit = 1u << 27;
    EXPECT_NE(ask(1, 0, true).c & kBit, 0u);
    EXPECT_EQ(ask(1, 0, false).c & kBit, 0u);
    machine_.vcpu.pv.in_kernel = false;
    EXPECT_EQ(ask(1, 0, true).c & kBit, 0u);
    machine_.vcpu.pv.cr4 = kCr4OsXsave;
    EXPECT_NE(ask(1, 0, false).c & kBit, 0u);
    machine_.policy.basic[1].c &= ~(1u << 26);
    EXPECT_EQ(ask(1, 0, false).c & kBit, 0u);
}

TEST_F(GuestCpuid, XenLeaves)
{
    EXPECT_EQ(ask(0x40000000), (CpuidLeaf{0x40000005, 0x566e6558, 0x65584d4d, 0x4d4d566e}));
    EXPECT_EQ(ask(0x40000001), (CpuidLeaf{0x00040011, 0, 0, 0}));
    EXPECT_EQ(ask(0x40000002), (CpuidLeaf{1, 0x40000000, 1, 0}));
    EXPECT_EQ(ask(0x40000003, 0), (CpuidLeaf{6, 0, 2400000, 0}));
    EXPECT_EQ(ask(0x40000003, 1), (CpuidLeaf{0, 0, 0x80000000, 0xffffffff}));
    EXPECT_EQ(ask(0x40000003, 2), (CpuidLeaf{2400000, 0, 0, 0}));
    EXPECT_EQ(ask(0x40000004), CpuidLeaf{});
    EXPECT_EQ(ask(0x40000005), (CpuidLeaf{0, 40, 0, 0}));
    EXPECT_EQ(ask(0x40000006), CpuidLeaf{});
    EXPECT_EQ(ask(0x40000100), CpuidLeaf{});
}

TEST_F(GuestCpuid, LimitsOfThePolicyHold)
{
    EXPECT_NE(ask(0xd), CpuidLeaf{});
    EXPECT_EQ(ask(0xe), CpuidLeaf{});
    EXPECT_EQ(ask(0x7fffffff), CpuidLeaf{});
    EXPECT_EQ(ask(0x80000009), CpuidLeaf{});
    EXPECT_EQ(ask(0xffffffff), CpuidLeaf{});
    EXPECT_EQ(ask(7, 3), CpuidLeaf{});
    EXPECT_EQ(ask(0xd, 63), CpuidLeaf{});
    machine_.policy.basic[0].a = 6;
    EXPECT_EQ(ask(7), CpuidLeaf{});
}

TEST_F(GuestCpuid, XsaveSizesFollowTheEnabledComponents)
{
    EXPECT_EQ(ask(0xd, 0).b, 576u);
    machine_.vcpu.pv.xcr0 = 7;
    EXPECT_EQ(ask(0xd, 0).b, 832u);
    EXPECT_EQ(ask(0xd, 0).c, 0xa80u);
    EXPECT_EQ(ask(0xd, 1).b, 832u);
    EXPECT_EQ(ask(0xd, 1).a, 7u);
}

TEST_F(GuestCpuid, ControlDomainSeesTheInvariantTsc)
{
    CpuPolicy* const control = create_domain_policy(true);
    CpuPolicy* const guest = create_domain_policy(false);
    ASSERT_NE(control, nullptr);
    ASSERT_NE(guest, nullptr);
    EXPECT_TRUE(control->has(abi::XEN_X86_FEATURE_ITSC));
    EXPECT_FALSE(guest->has(abi::XEN_X86_FEATURE_ITSC));
    destroy_domain_policy(control);
    destroy_domain_policy(guest);
}

} // namespace
} // namespace hv::policy
