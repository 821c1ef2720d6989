// SPDX-License-Identifier: MIT
// libFuzzer target: any bytes as guest code, any registers. Decoding must be exact about lengths, and emulation must
// change nothing of the guest unless it reports that the instruction is done.
#include <core/emulate/fake_machine.hpp>
#include <core/emulate/page_table_write.hpp>
#include <core/emulate/privileged.hpp>

#include <lib/spinlock.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace
{

using namespace hv::emulate;
using hv::emulate::test::FakeMachine;
using hv::emulate::test::FakePort;

// Always on, with the place of the contradiction.
void require(bool condition, char const* what)
{
    if (condition)
        return;
    std::fprintf(stderr, "broken: %s\n", what);
    std::abort();
}

struct Input
{
    std::uint8_t mode;
    std::uint8_t flags;
    std::uint8_t fault_offset;
    std::uint64_t general[16];
    std::uint64_t entry;
};

void check_decoder(std::span<std::uint8_t const> code, CodeMode mode)
{
    Instruction instruction;
    DecodeStatus const status = decode(code, mode, instruction);
    if (status == DecodeStatus::Truncated)
        require(code.size() < kMaxInstructionLength, "fifteen bytes always decide");
    if (status != DecodeStatus::Ok)
        return;
    require(instruction.length >= 1 && instruction.length <= code.size(), "length within the bytes given");
    require(instruction.length <= kMaxInstructionLength, "length within the limit");
    require(instruction.operation != Operation::None, "an operation");
    unsigned const size = instruction.operand_size;
    require(size == 1 || size == 2 || size == 4 || size == 8, "operand size");
    Instruction again;
    require(decode(code.first(instruction.length), mode, again) == DecodeStatus::Ok, "no byte behind it counts");
    require(again.length == instruction.length && again.immediate == instruction.immediate, "the same instruction");
    for (std::size_t length = 0; length < instruction.length; ++length)
    {
        Instruction part;
        require(decode(code.first(length), mode, part) == DecodeStatus::Truncated, "no prefix is an instruction");
    }
}

void fill(FakeMachine& machine, Input const& input, std::span<std::uint8_t const> code)
{
    for (unsigned i = 0; i < 16; ++i)
        register_slot(machine.registers, i) = input.general[i];
    std::memcpy(machine.port.code.data(), code.data(), code.size());
    machine.port.code_bytes = code.size();
    machine.vcpu.pv.in_kernel = (input.flags & 1) != 0;
    machine.vcpu.pv.iopl = input.flags >> 1 & 3;
    machine.port.data_writable = (input.flags & 8) != 0;
    if ((input.flags & 16) != 0)
        machine.registers.rflags |= kFlagTrap;
    if ((input.flags & 32) != 0)
        machine.registers.rflags |= kFlagDirection;
    if ((input.flags & 64) != 0)
        machine.traps[kVectorGeneralProtection].address = 1;
    if (input.mode == 1)
        machine.registers.cs = 0xe023;
}

void check_privileged(Input const& input, std::span<std::uint8_t const> code)
{
    FakeMachine machine((input.flags & 128) != 0);
    fill(machine, input, code);
    Registers const before = machine.registers;
    EmulationResult const result = emulate_privileged(machine.context);
    require(hv::is_canonical(machine.port.fs) && hv::is_canonical(machine.port.gs) &&
                hv::is_canonical(machine.port.inactive_gs),
            "bases stay canonical");
    for (std::uint64_t const address : machine.vcpu.pv.debug_address)
        require(hv::is_guest_address(address), "breakpoints stay with the guest");
    require((machine.vcpu.pv.xcr0 & 1) != 0, "x87 stays on");
    bool const same = std::memcmp(&before, &machine.registers, sizeof before) == 0;
    if (result.outcome == EmulationOutcome::NotHandled)
        require(same, "an instruction that is not handled has no effect");
    else if (result.outcome == EmulationOutcome::Fault)
        require(machine.registers.rip == before.rip, "a faulting instruction stays where it is");
    else
        require(machine.registers.rip - before.rip <= kMaxInstructionLength, "one instruction at a time");
    if (!machine.vcpu.pv.in_kernel)
        require(machine.port.msr_writes.empty() && machine.port.cr4_changes == 0, "user mode changes no registers");
}

void check_store(Input const& input, std::span<std::uint8_t const> code)
{
    FakeMachine machine;
    fill(machine, input, code);
    std::uint64_t const fault = input.general[7] + (input.fault_offset & 7);
    Registers const before = machine.registers;
    PageTableWrite write;
    bool const decoded = static_cast<bool>(write.decode(machine.context, fault));
    require(std::memcmp(&before, &machine.registers, sizeof before) == 0, "decoding has no effect");
    if (!decoded)
        return;
    require((write.entry_address() ^ fault) < 8, "the entry is the one that faulted");
    require((write.address() & 7) + write.size() <= 8, "the store stays in its entry");
    PageTableWrite::Plan const plan = write.plan(machine.context, input.entry);
    PageTableWrite::Plan const again = write.plan(machine.context, input.entry);
    require(plan.entry == again.entry && plan.flags == again.flags, "planning can be repeated");
    std::uint64_t const touched = size_mask(write.size()) << ((write.address() & 7) * 8);
    require(((plan.entry ^ input.entry) & ~touched) == 0, "only the bytes named change");
    require(plan.stores || plan.entry == input.entry, "what is not stored does not change");
    require(((plan.flags ^ before.rflags) & ~0x8d5ull) == 0, "only arithmetic flags change");
    static_cast<void>(write.commit(machine.context, plan));
    require(machine.registers.rip - before.rip <= kMaxInstructionLength, "one instruction at a time");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{};
    if (size < 4)
        return 0;
    input.mode = data[0] % 3;
    input.flags = data[1];
    input.fault_offset = data[2];
    // Registers point into guest memory unless the input says otherwise.
    for (std::uint64_t& value : input.general)
        value = FakePort::kData + 0x100;
    std::size_t const code_bytes = std::min<std::size_t>(size - 3, kMaxInstructionLength + 1);
    std::span<std::uint8_t const> const code(data + 3, code_bytes);
    std::size_t const rest = size - 3 - code_bytes;
    std::memcpy(input.general, data + 3 + code_bytes, std::min(rest, sizeof input.general));
    if (rest > sizeof input.general)
        std::memcpy(&input.entry, data + 3 + code_bytes + sizeof input.general,
                    std::min(rest - sizeof input.general, sizeof input.entry));
    check_decoder(code, static_cast<CodeMode>(input.mode));
    check_privileged(input, code);
    check_store(input, code);
    return 0;
}
