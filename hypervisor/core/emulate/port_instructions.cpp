// SPDX-License-Identifier: MIT
// I/O instructions: one element at a time, each with its permission, breakpoint and memory access.
#include <core/emulate/port_instructions.hpp>

#include <core/emulate/port_access.hpp>

namespace hv::emulate
{
namespace
{

// Elements of a REP instruction per entry, so that an entry stays short.
constexpr unsigned kElementsPerEntry = 64;

enum class Element : std::uint8_t
{
    Moved,
    PageFault,
};

class StringAccess
{
public:
    StringAccess(EmulationContext& context, Instruction const& instruction)
        : context_(context), instruction_(instruction), input_(instruction.operation == Operation::InString),
          pointer_(input_ ? context.registers.rdi : context.registers.rsi), mask_(size_mask(instruction.address_size))
    {
    }

    [[nodiscard]] std::uint64_t address() const
    {
        std::uint64_t const base = input_ ? 0 : context_.bases().of(instruction_.segment);
        return (pointer_ & mask_) + base;
    }

    Element move(std::uint16_t port)
    {
        unsigned const bytes = instruction_.operand_size;
        std::uint32_t value = 0;
        if (!context_.port.read(address(), &value, bytes))
            return Element::PageFault;
        if (input_)
        {
            // Reading a port cannot be undone: find out whether memory takes the value before.
            if (!context_.port.write(address(), &value, bytes))
                return Element::PageFault;
            value = guest_port_in(context_, port, bytes);
            if (!context_.port.write(address(), &value, bytes))
                return Element::PageFault;
        }
        else
            guest_port_out(context_, port, bytes, value);
        step();
        return Element::Moved;
    }

private:
    void step()
    {
        bool const down = (context_.registers.rflags & kFlagDirection) != 0;
        std::uint64_t const next =
            pointer_ + (down ? -std::uint64_t{instruction_.operand_size} : std::uint64_t{instruction_.operand_size});
        pointer_ = mask_ == ~0ull || mask_ == 0xffffffff ? next & mask_ : (pointer_ & ~mask_) | (next & mask_);
    }

    EmulationContext& context_;
    Instruction const& instruction_;
    bool input_;
    std::uint64_t& pointer_;
    std::uint64_t mask_;
};

PortOutcome emulate_string(EmulationContext& context, Instruction const& instruction, std::uint16_t port)
{
    Registers& registers = context.registers;
    std::uint64_t const mask = size_mask(instruction.address_size);
    PortOutcome outcome{EmulationResult::done()};
    if (instruction.repeat && (registers.rcx & mask) == 0)
        return outcome;
    outcome.breakpoints = io_breakpoints(context.vcpu.pv, port, instruction.operand_size);
    bool const one = (registers.rflags & kFlagTrap) != 0 || outcome.breakpoints != 0;
    StringAccess access(context, instruction);
    for (unsigned i = 0; i < (one ? 1 : kElementsPerEntry); ++i)
    {
        if (access.move(port) == Element::PageFault)
        {
            std::uint32_t const error = instruction.operation == Operation::InString ? kPageFaultWrite : 0;
            outcome.result = EmulationResult::page_fault(context, access.address(), error);
            outcome.finished = false;
            return outcome;
        }
        if (!instruction.repeat)
            return outcome;
        std::uint64_t const left = (registers.rcx - 1) & mask;
        registers.rcx = mask == 0xffff ? (registers.rcx & ~mask) | left : left;
        if (left == 0)
            return outcome;
    }
    outcome.finished = false;
    return outcome;
}

} // namespace

PortOutcome emulate_port(EmulationContext& context, Instruction const& instruction, bool long_mode)
{
    Registers& registers = context.registers;
    bool const by_number = instruction.source == Source::Immediate;
    std::uint16_t const port =
        static_cast<std::uint16_t>(by_number ? instruction.immediate & 0xff : registers.rdx & 0xffff);
    unsigned const bytes = instruction.operand_size;
    if (!port_access_allowed(context, port, bytes))
        return {EmulationResult::not_handled()};
    switch (instruction.operation)
    {
    case Operation::In:
        write_register(registers, 0, bytes, true, guest_port_in(context, port, bytes));
        return {EmulationResult::done(), true, io_breakpoints(context.vcpu.pv, port, bytes)};
    case Operation::Out:
        guest_port_out(context, port, bytes, static_cast<std::uint32_t>(registers.rax));
        return {EmulationResult::done(), true, io_breakpoints(context.vcpu.pv, port, bytes)};
    default:
        // Outside 64-bit mode the data segments have bases that are not at hand.
        if (!long_mode)
            return {EmulationResult::not_handled()};
        return emulate_string(context, instruction, port);
    }
}

} // namespace hv::emulate
