// SPDX-License-Identifier: MIT
// Which features paravirtual guests may see. A feature is listed only if everything it announces works at CPL 3 on our
// page tables, or is emulated.
#include <core/policy/features.hpp>

namespace hv::policy
{
namespace
{

template<std::size_t N>
consteval FeatureSet set_of(unsigned const (&features)[N])
{
    FeatureSet set;
    for (unsigned const feature : features)
        set.set(feature);
    return set;
}

#define HV_F(name) abi::XEN_X86_FEATURE_##name

// Absent on purpose, because the guest's kernel would act on them: paging modes that its tables cannot use (PSE, PGE,
// PSE36, PAGE1GB, PCID, INVPCID, LA57), protections that guard ring 0 from ring 3 (SMEP, SMAP, UMIP, PKU, CET), state
// that is not switched per vCPU (MPX, LWP, SPEC_CTRL and its users, DBEXT, XSAVES), machine facilities that are ours
// (MTRR, x2APIC, TSC deadline and adjust, VMX, SVM, MONITOR, debug store, performance monitoring, power management).
constexpr unsigned kOffered[] = {
    HV_F(FPU),
    HV_F(DE),
    HV_F(TSC),
    HV_F(MSR),
    HV_F(PAE),
    HV_F(MCE),
    HV_F(CX8),
    HV_F(APIC),
    HV_F(SEP),
    HV_F(MCA),
    HV_F(CMOV),
    HV_F(PAT),
    HV_F(CLFLUSH),
    HV_F(ACPI),
    HV_F(MMX),
    HV_F(FXSR),
    HV_F(SSE),
    HV_F(SSE2),
    HV_F(SS),
    // 1.ecx
    HV_F(SSE3),
    HV_F(PCLMULQDQ),
    HV_F(SSSE3),
    HV_F(FMA),
    HV_F(CX16),
    HV_F(SSE4_1),
    HV_F(SSE4_2),
    HV_F(MOVBE),
    HV_F(POPCNT),
    HV_F(AESNI),
    HV_F(XSAVE),
    HV_F(AVX),
    HV_F(F16C),
    HV_F(RDRAND),
    HV_F(HYPERVISOR),
    // 0x80000001.edx, .ecx
    HV_F(SYSCALL),
    HV_F(NX),
    HV_F(MMXEXT),
    HV_F(FFXSR),
    HV_F(RDTSCP),
    HV_F(LM),
    HV_F(3DNOWEXT),
    HV_F(3DNOW),
    HV_F(LAHF_LM),
    HV_F(ABM),
    HV_F(SSE4A),
    HV_F(MISALIGNSSE),
    HV_F(3DNOWPREFETCH),
    HV_F(XOP),
    HV_F(FMA4),
    HV_F(TBM),
    // 0xd.1.eax
    HV_F(XSAVEOPT),
    HV_F(XSAVEC),
    HV_F(XGETBV1),
    // 7.ebx
    HV_F(FSGSBASE),
    HV_F(BMI1),
    HV_F(AVX2),
    HV_F(FDP_EXCP_ONLY),
    HV_F(BMI2),
    HV_F(ERMS),
    HV_F(RTM),
    HV_F(NO_FPU_SEL),
    HV_F(AVX512F),
    HV_F(AVX512DQ),
    HV_F(RDSEED),
    HV_F(ADX),
    HV_F(AVX512_IFMA),
    HV_F(CLFLUSHOPT),
    HV_F(CLWB),
    HV_F(AVX512PF),
    HV_F(AVX512ER),
    HV_F(AVX512CD),
    HV_F(SHA),
    HV_F(AVX512BW),
    HV_F(AVX512VL),
    // 7.ecx
    HV_F(PREFETCHWT1),
    HV_F(AVX512_VBMI),
    HV_F(AVX512_VBMI2),
    HV_F(GFNI),
    HV_F(VAES),
    HV_F(VPCLMULQDQ),
    HV_F(AVX512_VNNI),
    HV_F(AVX512_BITALG),
    HV_F(AVX512_VPOPCNTDQ),
    HV_F(RDPID),
    HV_F(CLDEMOTE),
    // 0x80000008.ebx
    HV_F(CLZERO),
    HV_F(RSTR_FP_ERR_PTRS),
    HV_F(IBPB),
    HV_F(SSB_NO),
    HV_F(BTC_NO),
    HV_F(IBPB_RET),
    // 7.edx
    HV_F(AVX512_4VNNIW),
    HV_F(AVX512_4FMAPS),
    HV_F(FSRM),
    HV_F(MD_CLEAR),
    HV_F(SERIALIZE),
    HV_F(AVX512_FP16),
    HV_F(ARCH_CAPS),
    // 7.1.eax
    HV_F(AVX_VNNI),
    HV_F(AVX512_BF16),
    HV_F(FZRM),
    HV_F(FSRS),
    HV_F(FSRCS),
    // 0x80000021.eax
    HV_F(LFENCE_DISPATCH),
    HV_F(VERW_CLEAR),
    HV_F(NSCB),
    HV_F(SBPB),
    HV_F(IBPB_BRTYPE),
    HV_F(SRSO_NO),
    HV_F(SRSO_US_NO),
    // 7.2.edx
    HV_F(MCDT_NO),
    // MSR_ARCH_CAPABILITIES
    HV_F(RDCL_NO),
    HV_F(RSBA),
    HV_F(INTEL_SSB_NO),
    HV_F(MDS_NO),
    HV_F(IF_PSCHANGE_MC_NO),
    HV_F(TAA_NO),
    HV_F(SBDR_SSDP_NO),
    HV_F(FBSDP_NO),
    HV_F(PSDP_NO),
    HV_F(FB_CLEAR),
    HV_F(RRSBA),
    HV_F(BHI_NO),
    HV_F(PBRSB_NO),
    HV_F(GDS_NO),
    HV_F(RFDS_NO),
    HV_F(RFDS_CLEAR),
    HV_F(ITS_NO),
    // 0x80000021.ecx
    HV_F(TSA_SQ_NO),
    HV_F(TSA_L1_NO),
};

// Only when the tools ask: topology bits that they set to match their leaves, and features that bind a guest to a kind
// of machine or are not wanted by everybody.
constexpr unsigned kOnRequest[] = {
    HV_F(HTT),       HV_F(CMP_LEGACY),          HV_F(ITSC),     HV_F(HLE), HV_F(MOVDIRI),
    HV_F(MOVDIR64B), HV_F(AVX512_VP2INTERSECT), HV_F(TSXLDTRK),
};

struct Dependency
{
    std::uint16_t feature;
    std::uint16_t needs;
};

// In an order that lets one pass suffice: a prerequisite is settled before those that need it.
constexpr Dependency kDependencies[] = {
    {HV_F(SSE), HV_F(FXSR)},
    {HV_F(FFXSR), HV_F(FXSR)},
    {HV_F(SSE2), HV_F(SSE)},
    {HV_F(MISALIGNSSE), HV_F(SSE)},
    {HV_F(SSE3), HV_F(SSE2)},
    {HV_F(AESNI), HV_F(SSE2)},
    {HV_F(PCLMULQDQ), HV_F(SSE2)},
    {HV_F(SHA), HV_F(SSE2)},
    {HV_F(GFNI), HV_F(SSE2)},
    {HV_F(SSSE3), HV_F(SSE3)},
    {HV_F(SSE4A), HV_F(SSE3)},
    {HV_F(SSE4_1), HV_F(SSSE3)},
    {HV_F(SSE4_2), HV_F(SSE4_1)},
    {HV_F(MMXEXT), HV_F(MMX)},
    {HV_F(3DNOW), HV_F(MMX)},
    {HV_F(3DNOWEXT), HV_F(3DNOW)},
    {HV_F(XSAVE), HV_F(FXSR)},
    {HV_F(XSAVEOPT), HV_F(XSAVE)},
    {HV_F(XSAVEC), HV_F(XSAVE)},
    {HV_F(XGETBV1), HV_F(XSAVE)},
    {HV_F(AVX), HV_F(XSAVE)},
    {HV_F(AVX), HV_F(SSE)},
    {HV_F(FMA), HV_F(AVX)},
    {HV_F(FMA4), HV_F(AVX)},
    {HV_F(F16C), HV_F(AVX)},
    {HV_F(XOP), HV_F(AVX)},
    {HV_F(AVX2), HV_F(AVX)},
    {HV_F(VAES), HV_F(AVX)},
    {HV_F(VPCLMULQDQ), HV_F(AVX)},
    {HV_F(AVX_VNNI), HV_F(AVX2)},
    {HV_F(AVX512F), HV_F(AVX2)},
    {HV_F(AVX512DQ), HV_F(AVX512F)},
    {HV_F(AVX512_IFMA), HV_F(AVX512F)},
    {HV_F(AVX512PF), HV_F(AVX512F)},
    {HV_F(AVX512ER), HV_F(AVX512F)},
    {HV_F(AVX512CD), HV_F(AVX512F)},
    {HV_F(AVX512BW), HV_F(AVX512F)},
    {HV_F(AVX512VL), HV_F(AVX512F)},
    {HV_F(AVX512_4VNNIW), HV_F(AVX512F)},
    {HV_F(AVX512_4FMAPS), HV_F(AVX512F)},
    {HV_F(AVX512_VNNI), HV_F(AVX512F)},
    {HV_F(AVX512_VPOPCNTDQ), HV_F(AVX512F)},
    {HV_F(AVX512_VP2INTERSECT), HV_F(AVX512F)},
    {HV_F(AVX512_VBMI), HV_F(AVX512BW)},
    {HV_F(AVX512_VBMI2), HV_F(AVX512BW)},
    {HV_F(AVX512_BITALG), HV_F(AVX512BW)},
    {HV_F(AVX512_BF16), HV_F(AVX512BW)},
    {HV_F(AVX512_FP16), HV_F(AVX512BW)},
    {HV_F(TSXLDTRK), HV_F(RTM)},
    {HV_F(LAHF_LM), HV_F(LM)},
};

#undef HV_F

consteval FeatureSet maximum()
{
    FeatureSet set = set_of(kOffered);
    for (unsigned const feature : kOnRequest)
        set.set(feature);
    return set;
}

} // namespace

constinit FeatureSet const kPvDefault = set_of(kOffered);
constinit FeatureSet const kPvMaximum = maximum();

void drop_orphans(FeatureSet& features)
{
    for (Dependency const& dependency : kDependencies)
    {
        if (!features.test(dependency.needs))
            features.set(dependency.feature, false);
    }
    if (!features.test(abi::XEN_X86_FEATURE_ARCH_CAPS))
    {
        features.words[word::kArchCapabilitiesLow] = 0;
        features.words[word::kArchCapabilitiesHigh] = 0;
    }
}

} // namespace hv::policy
