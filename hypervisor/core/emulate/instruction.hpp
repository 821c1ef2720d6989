// SPDX-License-Identifier: MIT
// What the decoder tells about one guest instruction; only instructions that we emulate have an Operation.
#pragma once

#include <cstdint>

namespace hv::emulate
{

enum class Operation : std::uint8_t
{
    None, // not one of ours
    // Privileged or sensitive.
    In,
    Out,
    InString,
    OutString,
    ClearTaskSwitched,
    InvalidateCaches, // INVD and WBINVD
    ReadControl,
    WriteControl,
    ReadDebug,
    WriteDebug,
    ReadMsr,
    WriteMsr,
    ReadTsc,
    ReadTscp,
    Cpuid,
    SetExtendedControl,
    ClearInterruptFlag,
    SetInterruptFlag,
    // Stores of up to 8 bytes. From ExchangeAdd on, the old value takes part.
    Move,
    MoveString,
    StoreString,
    Exchange,
    ExchangeAdd,
    CompareExchange,
    Add,
    Or,
    AddCarry,
    SubtractBorrow,
    And,
    Subtract,
    Xor,
    Increment,
    Decrement,
    Negate,
    Not,
    BitSet,
    BitReset,
    BitComplement,
};

// Where the second operand of a store comes from.
enum class Source : std::uint8_t
{
    None,
    Register, // Instruction::reg
    Immediate,
};

// Base of the memory operand. In 64-bit mode CS, DS, ES and SS are flat, so only these differ.
enum class Segment : std::uint8_t
{
    Flat,
    Fs,
    Gs,
};

inline constexpr std::uint8_t kNoRegister = 0xff;
inline constexpr std::uint8_t kRipRegister = 0xfe; // Instruction::base of RIP-relative operands

struct Instruction
{
    Operation operation = Operation::None;
    Source source = Source::None;
    Segment segment = Segment::Flat;
    std::uint8_t length = 0;       // bytes, prefixes included
    std::uint8_t operand_size = 4; // bytes: 1, 2, 4, 8
    std::uint8_t address_size = 8; // bytes: 2, 4, 8
    bool lock = false;
    bool repeat = false;  // F2 or F3
    bool rex = false;     // byte registers 4..7 are SPL..DIL instead of AH..BH
    bool memory = false;  // the destination (ModRM r/m, moffs or string) is in memory
    std::uint8_t reg = 0; // ModRM.reg, or the register of an instruction without ModRM
    std::uint8_t rm = 0;  // ModRM.rm as a register, when `memory` is false
    std::uint8_t base = kNoRegister;
    std::uint8_t index = kNoRegister;
    std::uint8_t scale = 1;
    std::int64_t displacement = 0;
    std::int64_t immediate = 0; // sign-extended to 64 bits
};

constexpr bool is_store(Operation operation)
{
    return operation >= Operation::Move;
}

} // namespace hv::emulate
