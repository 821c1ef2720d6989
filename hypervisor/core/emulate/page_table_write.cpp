// SPDX-License-Identifier: MIT
// Planning and committing stores to page-table entries.
#include <core/emulate/page_table_write.hpp>

#include <core/emulate/arithmetic.hpp>
#include <core/emulate/code_fetch.hpp>
#include <core/policy/debug_registers.hpp>

namespace hv::emulate
{
namespace
{

bool is_bit_operation(Operation operation)
{
    return operation == Operation::BitSet || operation == Operation::BitReset || operation == Operation::BitComplement;
}

} // namespace

bool PageTableWrite::reads_entry() const
{
    return instruction_.operation >= Operation::Exchange || instruction_.operand_size != 8;
}

// Linear address of the destination. A bit string operation with a register offset reaches beyond its operand.
std::uint64_t PageTableWrite::target(EmulationContext& context) const
{
    Registers& registers = context.registers;
    if (is_string())
        return registers.rdi & size_mask(instruction_.address_size);
    std::uint64_t const address = effective_address(instruction_, registers, context.bases());
    if (!is_bit_operation(instruction_.operation) || instruction_.source != Source::Register)
        return address;
    unsigned const bits = 8u * instruction_.operand_size;
    std::uint64_t const raw = read_register(registers, instruction_.reg, instruction_.operand_size, instruction_.rex);
    std::int64_t const offset = static_cast<std::int64_t>(raw << (64 - bits)) >> (64 - bits);
    return address + static_cast<std::uint64_t>((offset >> __builtin_ctz(bits)) * instruction_.operand_size);
}

Result<void> PageTableWrite::load_operand(EmulationContext& context)
{
    Registers& registers = context.registers;
    if (instruction_.operation == Operation::MoveString)
    {
        std::uint64_t const from =
            (registers.rsi & size_mask(instruction_.address_size)) + context.bases().of(instruction_.segment);
        HV_REQUIRE(context.port.read(from, &operand_, instruction_.operand_size), Errno::Fault);
        return {};
    }
    if (instruction_.source == Source::Register)
        operand_ = read_register(registers, instruction_.reg, instruction_.operand_size, instruction_.rex);
    else
        operand_ = static_cast<std::uint64_t>(instruction_.immediate);
    return {};
}

Result<void> PageTableWrite::decode(EmulationContext& context, std::uint64_t fault_address)
{
    CodeWindow code;
    HV_REQUIRE(code.fetch(context), Errno::Inval);
    HV_REQUIRE(code.mode() == CodeMode::Long, Errno::Inval);
    DecodeStatus const status = emulate::decode(code.bytes(), code.mode(), instruction_);
    HV_REQUIRE(status != DecodeStatus::Truncated, Errno::Fault);
    HV_REQUIRE(status == DecodeStatus::Ok && is_store(instruction_.operation) && instruction_.memory, Errno::Inval);
    // With nothing to repeat there was no store that could fault.
    HV_REQUIRE(!is_string() || !instruction_.repeat ||
                   (context.registers.rcx & size_mask(instruction_.address_size)) != 0,
               Errno::Inval);
    address_ = target(context);
    HV_REQUIRE((address_ & 7) + instruction_.operand_size <= 8, Errno::Inval);
    HV_REQUIRE((address_ ^ fault_address) < 8, Errno::Inval);
    return load_operand(context);
}

PageTableWrite::Plan PageTableWrite::plan(EmulationContext& context, std::uint64_t current) const
{
    unsigned const size = instruction_.operand_size;
    std::uint64_t const mask = size_mask(size);
    std::uint64_t const old = (current >> shift()) & mask;
    std::uint64_t const flags = context.registers.rflags;
    Plan plan{current, true, flags, old};
    Computed result;
    if (instruction_.operation == Operation::CompareExchange)
    {
        std::uint64_t const expected = context.registers.rax & mask;
        plan.flags = compare_flags(expected, old, size, flags);
        plan.stores = expected == old;
        result.value = plan.stores ? operand_ & mask : old;
    }
    else
    {
        result = compute(instruction_.operation, old, operand_, size, flags);
        plan.flags = result.flags;
    }
    plan.entry = (current & ~(mask << shift())) | ((result.value & mask) << shift());
    return plan;
}

void PageTableWrite::step_string(Registers& registers) const
{
    std::uint64_t const mask = size_mask(instruction_.address_size);
    bool const down = (registers.rflags & kFlagDirection) != 0;
    std::uint64_t const step =
        down ? -std::uint64_t{instruction_.operand_size} : std::uint64_t{instruction_.operand_size};
    registers.rdi = (registers.rdi + step) & mask;
    if (instruction_.operation == Operation::MoveString)
        registers.rsi = (registers.rsi + step) & mask;
    if (instruction_.repeat)
        registers.rcx = (registers.rcx - 1) & mask;
}

bool PageTableWrite::commit(EmulationContext& context, Plan const& plan) const
{
    Registers& registers = context.registers;
    bool const stepping = (registers.rflags & kFlagTrap) != 0;
    registers.rflags = plan.flags;
    Operation const operation = instruction_.operation;
    if (operation == Operation::Exchange || operation == Operation::ExchangeAdd)
        write_register(registers, instruction_.reg, instruction_.operand_size, instruction_.rex, plan.register_value);
    else if (operation == Operation::CompareExchange && !plan.stores)
        write_register(registers, 0, instruction_.operand_size, true, plan.register_value);
    bool finished = true;
    if (is_string())
    {
        step_string(registers);
        finished = !instruction_.repeat || registers.rcx == 0;
    }
    if (finished)
        advance(registers, CodeMode::Long, instruction_.length);
    if (stepping)
        context.vcpu.pv.dr6 |= policy::kDr6SingleStep;
    return stepping;
}

} // namespace hv::emulate
