// SPDX-License-Identifier: MIT
// Control, debug and extended control registers, by the rules of core/policy.
#include <core/emulate/system_registers.hpp>

#include <core/policy/control_registers.hpp>
#include <core/policy/cpu_policy.hpp>
#include <core/policy/debug_registers.hpp>
#include <core/trace/count.hpp>

namespace hv::emulate
{
namespace
{

constexpr std::uint64_t kXcr0X87 = 1 << 0;
constexpr std::uint64_t kXcr0Sse = 1 << 1;
constexpr std::uint64_t kXcr0Avx = 1 << 2;
constexpr std::uint64_t kXcr0Avx512 = 7 << 5;

EmulationResult protection_fault()
{
    return EmulationResult::fault(kVectorGeneralProtection);
}

void set_task_switched(EmulationContext& context, bool value)
{
    if (context.vcpu.pv.fpu_task_switched == value)
        return;
    context.vcpu.pv.fpu_task_switched = value;
    context.port.task_switched_changed();
}

EmulationResult write_cr0(EmulationContext& context, std::uint64_t value)
{
    std::uint64_t const seen = policy::visible_cr0(context.port.cr0(), context.vcpu.pv.fpu_task_switched);
    if (((value ^ seen) & ~policy::kCr0TaskSwitched) != 0)
        return protection_fault();
    set_task_switched(context, (value & policy::kCr0TaskSwitched) != 0);
    return EmulationResult::done();
}

EmulationResult write_cr3(EmulationContext& context, std::uint64_t value)
{
    GuestFrame const root{value >> kPageShift};
    return context.port.load_kernel_root(context.vcpu.domain().resolve(root)) ? EmulationResult::done()
                                                                              : protection_fault();
}

EmulationResult write_cr4(EmulationContext& context, std::uint64_t value)
{
    std::uint64_t const effective = policy::effective_cr4(value, context.vcpu.domain().policy->cr4_features());
    if (effective != context.vcpu.pv.cr4)
    {
        context.vcpu.pv.cr4 = effective;
        context.port.cr4_changed();
    }
    return EmulationResult::done();
}

// A debug register error as the instruction reports it.
EmulationResult debug_fault(Errno error)
{
    return error == Errno::NoDev ? EmulationResult::fault(kVectorInvalidOpcode) : protection_fault();
}

} // namespace

EmulationResult read_control(EmulationContext& context, Instruction const& instruction)
{
    count(context.vcpu, Counter::Emulated_control_register);
    Vcpu& vcpu = context.vcpu;
    std::uint64_t value = 0;
    switch (instruction.reg)
    {
    case 0: value = policy::visible_cr0(context.port.cr0(), vcpu.pv.fpu_task_switched); break;
    case 2: value = vcpu.info->arch.cr2; break;
    case 3: value = vcpu.domain().expose(vcpu.pv.kernel_root).raw() << kPageShift; break;
    case 4: value = policy::visible_cr4(vcpu.pv.cr4, context.port.cr4()); break;
    default: return EmulationResult::not_handled();
    }
    register_slot(context.registers, instruction.rm) = value;
    return EmulationResult::done();
}

EmulationResult write_control(EmulationContext& context, Instruction const& instruction)
{
    count(context.vcpu, Counter::Emulated_control_register);
    std::uint64_t const value = register_slot(context.registers, instruction.rm);
    switch (instruction.reg)
    {
    case 0: return write_cr0(context, value);
    case 2: context.vcpu.info->arch.cr2 = value; return EmulationResult::done();
    case 3: return write_cr3(context, value);
    case 4: return write_cr4(context, value);
    default: return EmulationResult::not_handled();
    }
}

EmulationResult clear_task_switched(EmulationContext& context)
{
    count(context.vcpu, Counter::Emulated_control_register);
    set_task_switched(context, false);
    return EmulationResult::done();
}

EmulationResult read_debug(EmulationContext& context, Instruction const& instruction)
{
    count(context.vcpu, Counter::Emulated_debug_register);
    Result<std::uint64_t> const value = policy::get_debug_register(context.vcpu, instruction.reg);
    if (!value)
        return debug_fault(value.error());
    register_slot(context.registers, instruction.rm) = *value;
    return EmulationResult::done();
}

EmulationResult write_debug(EmulationContext& context, Instruction const& instruction)
{
    count(context.vcpu, Counter::Emulated_debug_register);
    std::uint64_t const value = register_slot(context.registers, instruction.rm);
    Result<void> const result = policy::set_debug_register(context.vcpu, instruction.reg, value);
    return result ? EmulationResult::done() : debug_fault(result.error());
}

bool is_valid_xcr0(std::uint64_t value, std::uint64_t mask)
{
    if ((value & ~mask) != 0 || (value & kXcr0X87) == 0)
        return false;
    if ((value & kXcr0Avx) != 0 && (value & kXcr0Sse) == 0)
        return false;
    std::uint64_t const wide = value & kXcr0Avx512;
    return wide == 0 || (wide == kXcr0Avx512 && (value & kXcr0Avx) != 0);
}

EmulationResult set_extended_control(EmulationContext& context)
{
    count(context.vcpu, Counter::Emulated_other);
    Registers const& registers = context.registers;
    PvState& state = context.vcpu.pv;
    std::uint64_t const mask = context.vcpu.domain().policy->xcr0_mask();
    if (mask == 0 || (state.cr4 & policy::kCr4OsXsave) == 0)
        return EmulationResult::fault(kVectorInvalidOpcode);
    std::uint64_t const value = (registers.rax & 0xffffffff) | registers.rdx << 32;
    if ((registers.rcx & 0xffffffff) != 0 || !is_valid_xcr0(value, mask))
        return protection_fault();
    state.xcr0 = value;
    context.port.xcr0_changed();
    return EmulationResult::done();
}

} // namespace hv::emulate
