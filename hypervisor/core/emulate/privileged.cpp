// SPDX-License-Identifier: MIT
// Entry points of emulation: fetch, decode, check who may, carry out, step over.
#include <core/emulate/privileged.hpp>

#include <core/emulate/code_fetch.hpp>
#include <core/emulate/msr.hpp>
#include <core/emulate/port_access.hpp>
#include <core/emulate/port_instructions.hpp>
#include <core/emulate/system_registers.hpp>
#include <core/policy/control_registers.hpp>
#include <core/policy/debug_registers.hpp>
#include <core/policy/guest_cpuid.hpp>
#include <core/trace/count.hpp>

#include <bit>

namespace hv::emulate
{
namespace
{

// XEN_EMULATE_PREFIX (0f 0b "xen") and CPUID (0f a2), as they are read into a word.
constexpr std::uint64_t kPrefixedCpuid = 0x00a2'0f6e'6578'0b0f;
constexpr unsigned kPrefixedCpuidLength = 7;

void split(std::uint64_t value, std::uint64_t& high, std::uint64_t& low)
{
    high = value >> 32;
    low = value & 0xffffffff;
}

void cpuid(EmulationContext& context, bool forced)
{
    Registers& registers = context.registers;
    count(context.vcpu, Counter::Emulated_cpuid);
    CpuidLeaf const answer = policy::guest_cpuid(context.vcpu, static_cast<std::uint32_t>(registers.rax),
                                                 static_cast<std::uint32_t>(registers.rcx), forced);
    registers.rax = answer.a;
    registers.rbx = answer.b;
    registers.rcx = answer.c;
    registers.rdx = answer.d;
}

EmulationResult read_msr(EmulationContext& context)
{
    count(context.vcpu, Counter::Emulated_rdmsr);
    Registers& registers = context.registers;
    std::uint64_t value = 0;
    if (!guest_read_msr(context, static_cast<std::uint32_t>(registers.rcx), value))
        return EmulationResult::not_handled();
    split(value, registers.rdx, registers.rax);
    return EmulationResult::done();
}

EmulationResult write_msr(EmulationContext& context)
{
    count(context.vcpu, Counter::Emulated_wrmsr);
    Registers const& registers = context.registers;
    std::uint64_t const value = (registers.rax & 0xffffffff) | registers.rdx << 32;
    return guest_write_msr(context, static_cast<std::uint32_t>(registers.rcx), value) ? EmulationResult::done()
                                                                                      : EmulationResult::not_handled();
}

EmulationResult read_tsc(EmulationContext& context, bool with_processor)
{
    PvState const& state = context.vcpu.pv;
    if (with_processor && !context.vcpu.domain().policy->has(abi::XEN_X86_FEATURE_RDTSCP))
        return EmulationResult::fault(kVectorInvalidOpcode);
    if (!context.kernel() && (state.cr4 & policy::kCr4TimeStampDisable) != 0)
        return EmulationResult::not_handled();
    Registers& registers = context.registers;
    split(context.port.tsc(), registers.rdx, registers.rax);
    if (with_processor)
        registers.rcx = state.tsc_aux;
    return EmulationResult::done();
}

// Caches are coherent on this architecture; only a domain that drives devices has a reason to write them back.
EmulationResult invalidate_caches(EmulationContext& context)
{
    count(context.vcpu, Counter::Emulated_other);
    if (context.vcpu.domain().is_control())
        context.port.write_back_caches();
    return EmulationResult::done();
}

// Instructions that a guest's kernel alone may execute.
EmulationResult emulate_kernel(EmulationContext& context, Instruction const& instruction)
{
    if (!context.kernel())
        return EmulationResult::not_handled();
    switch (instruction.operation)
    {
    case Operation::ReadMsr: return read_msr(context);
    case Operation::WriteMsr: return write_msr(context);
    case Operation::ReadControl: return read_control(context, instruction);
    case Operation::WriteControl: return write_control(context, instruction);
    case Operation::ClearTaskSwitched: return clear_task_switched(context);
    case Operation::ReadDebug: return read_debug(context, instruction);
    case Operation::WriteDebug: return write_debug(context, instruction);
    case Operation::SetExtendedControl: return set_extended_control(context);
    case Operation::InvalidateCaches: return invalidate_caches(context);
    default: return EmulationResult::not_handled();
    }
}

// Instructions that guest user mode may execute, too, under conditions.
EmulationResult emulate_any(EmulationContext& context, Instruction const& instruction)
{
    switch (instruction.operation)
    {
    case Operation::ReadTsc:
    case Operation::ReadTscp:
        count(context.vcpu, Counter::Emulated_other);
        return read_tsc(context, instruction.operation == Operation::ReadTscp);
    case Operation::Cpuid: cpuid(context, false); return EmulationResult::done();
    case Operation::ClearInterruptFlag:
    case Operation::SetInterruptFlag:
        // Events are masked through vcpu_info; the flag itself is ours and stays on.
        count(context.vcpu, Counter::Emulated_other);
        return io_privilege(context) ? EmulationResult::done() : EmulationResult::not_handled();
    default: return emulate_kernel(context, instruction);
    }
}

// Traps after the instruction: single-stepping and breakpoints on I/O.
void raise_debug_trap(EmulationContext& context, EmulationResult& result, bool stepping, std::uint64_t breakpoints)
{
    std::uint64_t const reasons = breakpoints | (stepping ? policy::kDr6SingleStep : 0);
    if (reasons == 0)
        return;
    context.vcpu.pv.dr6 |= reasons;
    result.debug_trap = true;
}

bool is_port_instruction(Operation operation)
{
    return operation >= Operation::In && operation <= Operation::OutString;
}

} // namespace

EmulationResult emulate_privileged(EmulationContext& context)
{
    CodeWindow code;
    if (!code.fetch(context))
        return EmulationResult::not_handled();
    Instruction instruction;
    switch (decode(code.bytes(), code.mode(), instruction))
    {
    case DecodeStatus::Ok: break;
    case DecodeStatus::Unsupported: return EmulationResult::not_handled();
    case DecodeStatus::Truncated: return EmulationResult::page_fault(context, code.end(), kPageFaultFetch);
    }
    bool const stepping = (context.registers.rflags & kFlagTrap) != 0;
    std::uint64_t breakpoints = 0;
    bool finished = true;
    EmulationResult result;
    if (is_port_instruction(instruction.operation))
    {
        count(context.vcpu, Counter::Emulated_io);
        PortOutcome const outcome = emulate_port(context, instruction, code.mode() == CodeMode::Long);
        result = outcome.result;
        finished = outcome.finished;
        breakpoints = outcome.breakpoints;
    }
    else
        result = emulate_any(context, instruction);
    if (result.outcome != EmulationOutcome::Done)
        return result;
    if (finished)
        advance(context.registers, code.mode(), instruction.length);
    raise_debug_trap(context, result, stepping, breakpoints);
    return result;
}

EmulationResult emulate_invalid_opcode(EmulationContext& context)
{
    CodeWindow code;
    if (!code.fetch(context))
        return EmulationResult::not_handled();
    unsigned const alike = static_cast<unsigned>(std::countr_zero(code.first_word() ^ kPrefixedCpuid)) / 8;
    if (alike < kPrefixedCpuidLength)
    {
        // The prefix may continue on a page that is not there yet.
        std::size_t const there = code.bytes().size();
        return there > 2 && there <= alike ? EmulationResult::page_fault(context, code.end(), kPageFaultFetch)
                                           : EmulationResult::not_handled();
    }
    bool const stepping = (context.registers.rflags & kFlagTrap) != 0;
    cpuid(context, true);
    advance(context.registers, code.mode(), kPrefixedCpuidLength);
    EmulationResult result = EmulationResult::done();
    raise_debug_trap(context, result, stepping, 0);
    return result;
}

} // namespace hv::emulate
