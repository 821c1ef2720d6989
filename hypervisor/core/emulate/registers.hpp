// SPDX-License-Identifier: MIT
// General registers of a guest by their number in instruction encodings, and effective addresses.
#pragma once

#include <core/emulate/instruction.hpp>
#include <hypercalls/abi/xen.hpp>

#include <cstddef>
#include <cstdint>

namespace hv::emulate
{

// The register file as the entry code saves it. Only the members up to and including `ss` exist behind the reference
// that emulation gets: the data segment selectors do not.
using Registers = abi::cpu_user_regs;

inline constexpr std::uint64_t kFlagCarry = 1u << 0;
inline constexpr std::uint64_t kFlagParity = 1u << 2;
inline constexpr std::uint64_t kFlagAdjust = 1u << 4;
inline constexpr std::uint64_t kFlagZero = 1u << 6;
inline constexpr std::uint64_t kFlagSign = 1u << 7;
inline constexpr std::uint64_t kFlagTrap = 1u << 8;
inline constexpr std::uint64_t kFlagDirection = 1u << 10;
inline constexpr std::uint64_t kFlagOverflow = 1u << 11;
inline constexpr std::uint64_t kFlagResume = 1u << 16;

constexpr std::uint64_t size_mask(unsigned bytes)
{
    return bytes >= 8 ? ~0ull : (1ull << (8 * bytes)) - 1;
}

// The full register `number` (0 rax, 1 rcx ... 15 r15).
inline std::uint64_t& register_slot(Registers& registers, unsigned number)
{
    static constexpr std::uint8_t kWord[16] = {
        offsetof(Registers, rax) / 8, offsetof(Registers, rcx) / 8, offsetof(Registers, rdx) / 8,
        offsetof(Registers, rbx) / 8, offsetof(Registers, rsp) / 8, offsetof(Registers, rbp) / 8,
        offsetof(Registers, rsi) / 8, offsetof(Registers, rdi) / 8, offsetof(Registers, r8) / 8,
        offsetof(Registers, r9) / 8,  offsetof(Registers, r10) / 8, offsetof(Registers, r11) / 8,
        offsetof(Registers, r12) / 8, offsetof(Registers, r13) / 8, offsetof(Registers, r14) / 8,
        offsetof(Registers, r15) / 8,
    };
    return reinterpret_cast<std::uint64_t*>(&registers)[kWord[number & 15]];
}

// Reads `size` bytes of a register, zero-extended; AH..BH for byte registers 4..7 without REX.
inline std::uint64_t read_register(Registers& registers, unsigned number, unsigned size, bool rex)
{
    if (size == 1 && !rex && number >= 4 && number < 8)
        return (register_slot(registers, number - 4) >> 8) & 0xff;
    return register_slot(registers, number) & size_mask(size);
}

// Writes like an instruction does: 4 bytes clear the upper half, 1 and 2 bytes leave the rest alone.
inline void write_register(Registers& registers, unsigned number, unsigned size, bool rex, std::uint64_t value)
{
    if (size == 1 && !rex && number >= 4 && number < 8)
    {
        std::uint64_t& slot = register_slot(registers, number - 4);
        slot = (slot & ~0xff00ull) | ((value & 0xff) << 8);
        return;
    }
    std::uint64_t& slot = register_slot(registers, number);
    slot = size == 4 ? value & 0xffffffff : (slot & ~size_mask(size)) | (value & size_mask(size));
}

struct SegmentBases
{
    std::uint64_t fs = 0;
    std::uint64_t gs = 0;
    [[nodiscard]] std::uint64_t of(Segment segment) const
    {
        return segment == Segment::Fs ? fs : (segment == Segment::Gs ? gs : 0);
    }
};

// Linear address of the ModRM or moffs memory operand in 64-bit mode. Not for string instructions.
inline std::uint64_t effective_address(Instruction const& instruction, Registers& registers, SegmentBases const& bases)
{
    std::uint64_t address = static_cast<std::uint64_t>(instruction.displacement);
    if (instruction.base == kRipRegister)
        address += registers.rip + instruction.length;
    else if (instruction.base != kNoRegister)
        address += register_slot(registers, instruction.base);
    if (instruction.index != kNoRegister)
        address += register_slot(registers, instruction.index) * instruction.scale;
    return (address & size_mask(instruction.address_size)) + bases.of(instruction.segment);
}

} // namespace hv::emulate
