// SPDX-License-Identifier: MIT
// Carrying out the rules of the MSR table.
#include <core/emulate/msr.hpp>

#include <core/policy/cpu_policy.hpp>
#include <core/policy/msr_rules.hpp>

namespace hv::emulate
{
namespace
{

using policy::MsrRead;
using policy::MsrRule;
using policy::MsrWrite;

constexpr std::uint64_t kEferSvme = 1u << 12;
constexpr std::uint64_t kApicBase = 0xfee00800; // enabled, at its usual address
constexpr std::uint64_t kApicBootstrap = 1u << 8;
constexpr std::uint64_t kPredictionBarrier = 1;
constexpr std::uint32_t kCpuidFaulting = 1u << 31;
constexpr std::uint32_t kMsrMiscFeatures = 0x140;

// MISC_ENABLE: performance monitoring and MONITOR absent; BTS, PEBS and xTPR disabled.
constexpr std::uint64_t kMiscAbsent = 1u << 7 | 1u << 18;
constexpr std::uint64_t kMiscDisabled = 1u << 11 | 1u << 12 | 1u << 23;

MsrRule const& rule_for(EmulationContext& context, std::uint32_t index)
{
    CpuPolicy const& policy = *context.vcpu.domain().policy;
    return policy::find_msr_rule(index, policy.is_intel(), policy.is_amd());
}

bool has(EmulationContext& context, unsigned feature)
{
    return context.vcpu.domain().policy->has(feature);
}

// Linux reads some registers long before it can take a fault; a 0 then does no harm.
bool has_fault_handler(EmulationContext const& context)
{
    abi::trap_info const* const traps = context.vcpu.pv.traps;
    return traps != nullptr && traps[kVectorGeneralProtection].address != 0;
}

bool read_platform_info(EmulationContext& context, std::uint32_t index, std::uint64_t& value)
{
    CpuPolicy const& policy = *context.vcpu.domain().policy;
    value = index == kMsrMiscFeatures ? 0 : policy.platform_info;
    return (policy.platform_info & kCpuidFaulting) != 0;
}

bool read_by_rule(EmulationContext& context, MsrRule const& rule, std::uint32_t index, std::uint64_t& value)
{
    EmulationPort& port = context.port;
    value = 0;
    switch (rule.read)
    {
    case MsrRead::Fault: return false;
    case MsrRead::Zero: return true;
    case MsrRead::Value: value = rule.value; return true;
    case MsrRead::FsBase: value = port.fs_base(); return true;
    case MsrRead::GsBase: value = port.gs_base(); return true;
    case MsrRead::InactiveGsBase: value = port.inactive_gs_base(); return true;
    case MsrRead::Efer:
        if (!port.read_msr(index, value))
            return false;
        value &= ~kEferSvme;
        return true;
    case MsrRead::ApicBase: value = kApicBase | (context.vcpu.id() == VcpuId{0} ? kApicBootstrap : 0); return true;
    case MsrRead::TimeStamp: value = port.tsc(); return true;
    case MsrRead::MiscEnable:
        if (!port.read_msr(index, value))
            return false;
        value = (value & ~kMiscAbsent) | kMiscDisabled;
        return true;
    case MsrRead::Hardware: return port.read_msr(index, value);
    case MsrRead::HardwareControl: return context.vcpu.domain().is_control() && port.read_msr(index, value);
    case MsrRead::PlatformInfo: return read_platform_info(context, index, value);
    case MsrRead::ArchCapabilities:
        value = context.vcpu.domain().policy->arch_capabilities;
        return has(context, abi::XEN_X86_FEATURE_ARCH_CAPS);
    case MsrRead::TscAux:
        value = context.vcpu.pv.tsc_aux;
        return has(context, abi::XEN_X86_FEATURE_RDTSCP) || has(context, abi::XEN_X86_FEATURE_RDPID);
    }
    return false;
}

// PRED_CMD takes only the barrier bit, and only where the CPU has it.
bool write_prediction_command(EmulationContext& context, std::uint64_t value)
{
    if ((value & ~kPredictionBarrier) != 0)
        return false;
    if (!has(context, abi::XEN_X86_FEATURE_IBPB) && !has(context, abi::XEN_X86_FEATURE_IBRSB))
        return false;
    return value == 0 || context.port.write_msr(policy::kMsrPredictionCommand, value);
}

bool write_tsc_aux(EmulationContext& context, std::uint64_t value)
{
    bool const present = has(context, abi::XEN_X86_FEATURE_RDTSCP) || has(context, abi::XEN_X86_FEATURE_RDPID);
    if (!present || value >> 32 != 0)
        return false;
    context.vcpu.pv.tsc_aux = static_cast<std::uint32_t>(value);
    context.port.tsc_aux_changed();
    return true;
}

bool write_base(EmulationContext& context, MsrWrite which, std::uint64_t base)
{
    if (!is_canonical(base)) // XSA-193
        return false;
    if (which == MsrWrite::FsBase)
        context.port.set_fs_base(base);
    else if (which == MsrWrite::GsBase)
        context.port.set_gs_base(base);
    else
        context.port.set_inactive_gs_base(base);
    return true;
}

} // namespace

bool guest_read_msr(EmulationContext& context, std::uint32_t index, std::uint64_t& value)
{
    if (read_by_rule(context, rule_for(context, index), index, value))
        return true;
    value = 0;
    return !has_fault_handler(context);
}

bool guest_write_msr(EmulationContext& context, std::uint32_t index, std::uint64_t value)
{
    MsrRule const& rule = rule_for(context, index);
    switch (rule.write)
    {
    case MsrWrite::Fault: return false;
    case MsrWrite::Ignore: return true;
    case MsrWrite::ZeroOnly:
        if (index == kMsrMiscFeatures && (context.vcpu.domain().policy->platform_info & kCpuidFaulting) == 0)
            return false;
        return value == 0;
    case MsrWrite::Same:
    {
        std::uint64_t now = 0;
        return read_by_rule(context, rule, index, now) && now == value;
    }
    case MsrWrite::FsBase:
    case MsrWrite::GsBase:
    case MsrWrite::InactiveGsBase: return write_base(context, rule.write, value);
    case MsrWrite::PredictionCommand: return write_prediction_command(context, value);
    case MsrWrite::TscAux: return write_tsc_aux(context, value);
    case MsrWrite::HypercallPage:
        return (value & ~kPageMask) == 0 && context.port.write_hypercall_page(GuestFrame{value >> kPageShift});
    }
    return false;
}

} // namespace hv::emulate
