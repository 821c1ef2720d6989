// SPDX-License-Identifier: MIT
// The table of model-specific registers: what a paravirtual guest's RDMSR and WRMSR of each one mean (surface 1.11).
#pragma once

#include <cstdint>

namespace hv::policy
{

enum class MsrRead : std::uint8_t
{
    Fault,
    Zero,
    Value, // MsrRule::value
    FsBase,
    GsBase,
    InactiveGsBase,
    Efer,     // the real one without SVME
    ApicBase, // by vCPU: bootstrap processor or not
    TimeStamp,
    MiscEnable,      // the real one, read with care (XSA-333), less what is ours
    Hardware,        // the real one, read with care
    HardwareControl, // the same for the control domain, Fault for others
    PlatformInfo,    // of the CPU policy; Fault when empty
    ArchCapabilities,
    TscAux,
};

enum class MsrWrite : std::uint8_t
{
    Fault,
    Ignore,
    ZeroOnly, // 0 is accepted and ignored
    Same,     // accepted when it changes nothing
    FsBase,
    GsBase,
    InactiveGsBase,
    PredictionCommand, // IBPB, when the policy has it
    TscAux,
    HypercallPage,
};

enum class MsrVendor : std::uint8_t
{
    Any,
    Intel,
    Amd,
};

struct MsrRule
{
    std::uint32_t first;
    std::uint32_t last;
    MsrRead read;
    MsrWrite write;
    MsrVendor vendor = MsrVendor::Any;
    std::uint64_t value = 0; // for MsrRead::Value
};

// Page attributes as the ABI lays them down; every CPU's real register holds the same.
inline constexpr std::uint64_t kMsrPat = 0x0000050100070406;

inline constexpr std::uint32_t kMsrEfer = 0xc0000080;
inline constexpr std::uint32_t kMsrMiscEnable = 0x1a0;
inline constexpr std::uint32_t kMsrPredictionCommand = 0x49;
inline constexpr std::uint32_t kMsrPlatformInfo = 0xce;
inline constexpr std::uint32_t kMsrArchCapabilities = 0x10a;

// The rule for `index` on a CPU of this vendor; an MSR without a row has Fault for both. Rows are sorted, the search is
// binary.
[[nodiscard]] MsrRule const& find_msr_rule(std::uint32_t index, bool intel, bool amd);

} // namespace hv::policy
