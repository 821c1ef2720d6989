// SPDX-License-Identifier: MIT
// The rows of the MSR table, in ascending order. Energy counters (0x606 and the like) have none: XSA-351.
#include <core/policy/msr_rules.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <iterator>

namespace hv::policy
{
namespace
{

using R = MsrRead;
using W = MsrWrite;
using V = MsrVendor;

constexpr MsrRule kRules[] = {
    {0x00000010, 0x00000010, R::TimeStamp, W::Fault},               // TSC
    {0x00000017, 0x00000017, R::Hardware, W::Fault, V::Intel},      // PLATFORM_ID
    {0x0000001b, 0x0000001b, R::ApicBase, W::Fault},                // APIC_BASE
    {0x00000049, 0x00000049, R::Fault, W::PredictionCommand},       // PRED_CMD
    {0x0000008b, 0x0000008b, R::Hardware, W::ZeroOnly, V::Intel},   // microcode revision
    {0x0000008b, 0x0000008b, R::Hardware, W::Fault, V::Amd},        // PATCH_LEVEL
    {0x000000ce, 0x000000ce, R::PlatformInfo, W::Fault},            // PLATFORM_INFO
    {0x0000010a, 0x0000010a, R::ArchCapabilities, W::Fault},        // ARCH_CAPABILITIES
    {0x00000140, 0x00000140, R::PlatformInfo, W::ZeroOnly},         // MISC_FEATURES_ENABLES, see msr.cpp
    {0x00000179, 0x00000179, R::Zero, W::Fault},                    // MCG_CAP: no banks
    {0x0000017a, 0x0000017b, R::Zero, W::Ignore},                   // MCG_STATUS, MCG_CTL
    {0x000001a0, 0x000001a0, R::MiscEnable, W::Same, V::Intel},     // MISC_ENABLE
    {0x00000277, 0x00000277, R::Value, W::Fault, V::Any, kMsrPat},  // PAT
    {0x00000345, 0x00000345, R::Zero, W::Fault, V::Intel},          // PERF_CAPABILITIES
    {0x00000400, 0x0000047f, R::Zero, W::Ignore},                   // machine check banks
    {0x40000000, 0x40000000, R::Fault, W::HypercallPage},           // CPUID 0x40000002.ebx
    {0xc0000080, 0xc0000080, R::Efer, W::Same},                     // EFER
    {0xc0000100, 0xc0000100, R::FsBase, W::FsBase},                 // FS_BASE
    {0xc0000101, 0xc0000101, R::GsBase, W::GsBase},                 // GS_BASE
    {0xc0000102, 0xc0000102, R::InactiveGsBase, W::InactiveGsBase}, // KERNEL_GS_BASE
    {0xc0000103, 0xc0000103, R::TscAux, W::TscAux},                 // TSC_AUX
    {0xc0010010, 0xc0010010, R::HardwareControl, W::Same, V::Amd},  // SYSCFG
    {0xc0010015, 0xc0010015, R::Zero, W::Ignore, V::Amd},           // HWCR
    {0xc001001a, 0xc001001a, R::HardwareControl, W::Fault, V::Amd}, // TOP_MEM
    {0xc001001d, 0xc001001d, R::HardwareControl, W::Fault, V::Amd}, // TOP_MEM2
    {0xc001001f, 0xc001001f, R::HardwareControl, W::Same, V::Amd},  // NB_CFG
    {0xc0010020, 0xc0010020, R::Fault, W::Ignore, V::Amd},          // PATCH_LOADER: only through the platform call
    {0xc0010055, 0xc0010055, R::Zero, W::Fault, V::Amd},            // interrupt pending: C1E off
    {0xc0010058, 0xc0010058, R::HardwareControl, W::Fault, V::Amd}, // MMIO configuration base
    {0xc0011029, 0xc0011029, R::Value, W::Ignore, V::Amd, 1u << 1}, // DE_CFG: LFENCE serialises
};

consteval bool sorted()
{
    for (std::size_t i = 1; i < std::size(kRules); ++i)
    {
        if (kRules[i].first < kRules[i - 1].first)
            return false;
    }
    return true;
}
static_assert(sorted());

constexpr MsrRule kNoRule = {0, 0xffffffff, R::Fault, W::Fault};

// MsrRule::last of each row, to look at alone; behind them, once at least, what no index is above.
constexpr std::size_t kSearched = std::bit_ceil(std::size(kRules) + 1);
constexpr auto kLasts = [] {
    std::array<std::uint32_t, kSearched> lasts{};
    lasts.fill(0xffffffff);
    for (std::size_t i = 0; i < std::size(kRules); ++i)
        lasts[i] = kRules[i].last;
    return lasts;
}();

// The first row that does not end before `index`. Halves of a size known beforehand: no branch to guess.
std::size_t first_candidate(std::uint32_t index)
{
    std::size_t row = 0;
    for (std::size_t half = kSearched / 2; half != 0; half /= 2)
        row += kLasts[row + half - 1] < index ? half : 0;
    return row;
}

} // namespace

MsrRule const& find_msr_rule(std::uint32_t index, bool intel, bool amd)
{
    for (std::size_t row = first_candidate(index); row < std::size(kRules) && kRules[row].first <= index; ++row)
    {
        MsrRule const& rule = kRules[row];
        if (rule.vendor == V::Any || (rule.vendor == V::Intel ? intel : amd))
            return rule;
    }
    return kNoRule;
}

} // namespace hv::policy
