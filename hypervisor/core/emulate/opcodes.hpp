// SPDX-License-Identifier: MIT
// The opcode tables of the decoder: one entry per opcode byte, built at compile time from rows.
#pragma once

#include <core/emulate/instruction.hpp>

#include <array>
#include <cstdint>

namespace hv::emulate::opcodes
{

// Form bits: what follows the opcode and how the operands are found.
using Form = std::uint16_t;
inline constexpr Form kModRm = 1 << 0;
inline constexpr Form kByte = 1 << 1;          // operand size 1
inline constexpr Form kImmediate8 = 1 << 2;    // one byte, sign-extended
inline constexpr Form kImmediateFull = 1 << 3; // operand size, at most 4 bytes, sign-extended
inline constexpr Form kGroup = 1 << 4;         // `group` and ModRM.reg choose the operation
inline constexpr Form kOffset = 1 << 5;        // an absolute address of the address size follows (MOV moffs)
inline constexpr Form kFromRegister = 1 << 6;  // second operand: ModRM.reg, or AL..RAX without ModRM
inline constexpr Form kNoWide = 1 << 7;        // operand size at most 4
inline constexpr Form kMoveSpecial = 1 << 8;   // MOV CR/DR: r/m is a register whatever ModRM.mod says
inline constexpr Form kString = 1 << 9;        // implicit memory operand
inline constexpr Form kLockable = 1 << 10;
inline constexpr Form kMemoryOnly = 1 << 11; // no register form

struct Entry
{
    Operation operation = Operation::None;
    std::uint8_t group = 0; // index into kGroups when kGroup is set
    Form form = 0;
};

using Map = std::array<Entry, 256>;

enum GroupIndex : std::uint8_t
{
    kGroupArithmetic, // 80, 81, 83
    kGroupUnary,      // F6, F7
    kGroupIncrement,  // FE, FF
    kGroupMove,       // C6, C7
    kGroupBit,        // 0F BA
    kGroupCount,
};

inline constexpr Operation kGroups[kGroupCount][8] = {
    {Operation::Add, Operation::Or, Operation::AddCarry, Operation::SubtractBorrow, Operation::And, Operation::Subtract,
     Operation::Xor, Operation::None},
    {Operation::None, Operation::None, Operation::Not, Operation::Negate, Operation::None, Operation::None,
     Operation::None, Operation::None},
    {Operation::Increment, Operation::Decrement, Operation::None, Operation::None, Operation::None, Operation::None,
     Operation::None, Operation::None},
    {Operation::Move, Operation::None, Operation::None, Operation::None, Operation::None, Operation::None,
     Operation::None, Operation::None},
    {Operation::None, Operation::None, Operation::None, Operation::None, Operation::None, Operation::BitSet,
     Operation::BitReset, Operation::BitComplement},
};

consteval Map one_byte_map()
{
    Map map{};
    constexpr Operation kAlu[] = {Operation::Add, Operation::Or,       Operation::AddCarry, Operation::SubtractBorrow,
                                  Operation::And, Operation::Subtract, Operation::Xor};
    for (unsigned row = 0; row < 7; ++row)
    {
        map[row * 8] = {kAlu[row], 0, kModRm | kByte | kFromRegister | kLockable};
        map[row * 8 + 1] = {kAlu[row], 0, kModRm | kFromRegister | kLockable};
    }
    map[0x6c] = {Operation::InString, 0, kByte | kString};
    map[0x6d] = {Operation::InString, 0, kString | kNoWide};
    map[0x6e] = {Operation::OutString, 0, kByte | kString};
    map[0x6f] = {Operation::OutString, 0, kString | kNoWide};
    map[0x80] = {Operation::None, kGroupArithmetic, kModRm | kByte | kGroup | kImmediate8 | kLockable};
    map[0x81] = {Operation::None, kGroupArithmetic, kModRm | kGroup | kImmediateFull | kLockable};
    map[0x83] = {Operation::None, kGroupArithmetic, kModRm | kGroup | kImmediate8 | kLockable};
    map[0x86] = {Operation::Exchange, 0, kModRm | kByte | kFromRegister | kLockable};
    map[0x87] = {Operation::Exchange, 0, kModRm | kFromRegister | kLockable};
    map[0x88] = {Operation::Move, 0, kModRm | kByte | kFromRegister};
    map[0x89] = {Operation::Move, 0, kModRm | kFromRegister};
    map[0xa2] = {Operation::Move, 0, kByte | kOffset | kFromRegister};
    map[0xa3] = {Operation::Move, 0, kOffset | kFromRegister};
    map[0xa4] = {Operation::MoveString, 0, kByte | kString};
    map[0xa5] = {Operation::MoveString, 0, kString};
    map[0xaa] = {Operation::StoreString, 0, kByte | kString | kFromRegister};
    map[0xab] = {Operation::StoreString, 0, kString | kFromRegister};
    map[0xc6] = {Operation::None, kGroupMove, kModRm | kByte | kGroup | kImmediate8};
    map[0xc7] = {Operation::None, kGroupMove, kModRm | kGroup | kImmediateFull};
    map[0xe4] = {Operation::In, 0, kByte | kImmediate8};
    map[0xe5] = {Operation::In, 0, kImmediate8 | kNoWide};
    map[0xe6] = {Operation::Out, 0, kByte | kImmediate8};
    map[0xe7] = {Operation::Out, 0, kImmediate8 | kNoWide};
    map[0xec] = {Operation::In, 0, kByte};
    map[0xed] = {Operation::In, 0, kNoWide};
    map[0xee] = {Operation::Out, 0, kByte};
    map[0xef] = {Operation::Out, 0, kNoWide};
    map[0xf6] = {Operation::None, kGroupUnary, kModRm | kByte | kGroup | kLockable};
    map[0xf7] = {Operation::None, kGroupUnary, kModRm | kGroup | kLockable};
    map[0xfa] = {Operation::ClearInterruptFlag, 0, 0};
    map[0xfb] = {Operation::SetInterruptFlag, 0, 0};
    map[0xfe] = {Operation::None, kGroupIncrement, kModRm | kByte | kGroup | kLockable};
    map[0xff] = {Operation::None, kGroupIncrement, kModRm | kGroup | kLockable};
    return map;
}

// Opcodes after 0F. 0F 01 is decoded by its ModRM byte in the decoder.
consteval Map two_byte_map()
{
    Map map{};
    map[0x06] = {Operation::ClearTaskSwitched, 0, 0};
    map[0x08] = {Operation::InvalidateCaches, 0, 0};
    map[0x09] = {Operation::InvalidateCaches, 0, 0};
    map[0x20] = {Operation::ReadControl, 0, kModRm | kMoveSpecial};
    map[0x21] = {Operation::ReadDebug, 0, kModRm | kMoveSpecial};
    map[0x22] = {Operation::WriteControl, 0, kModRm | kMoveSpecial};
    map[0x23] = {Operation::WriteDebug, 0, kModRm | kMoveSpecial};
    map[0x30] = {Operation::WriteMsr, 0, 0};
    map[0x31] = {Operation::ReadTsc, 0, 0};
    map[0x32] = {Operation::ReadMsr, 0, 0};
    map[0xa2] = {Operation::Cpuid, 0, 0};
    map[0xab] = {Operation::BitSet, 0, kModRm | kFromRegister | kLockable};
    map[0xb0] = {Operation::CompareExchange, 0, kModRm | kByte | kFromRegister | kLockable};
    map[0xb1] = {Operation::CompareExchange, 0, kModRm | kFromRegister | kLockable};
    map[0xb3] = {Operation::BitReset, 0, kModRm | kFromRegister | kLockable};
    map[0xba] = {Operation::None, kGroupBit, kModRm | kGroup | kImmediate8 | kLockable};
    map[0xbb] = {Operation::BitComplement, 0, kModRm | kFromRegister | kLockable};
    map[0xc0] = {Operation::ExchangeAdd, 0, kModRm | kByte | kFromRegister | kLockable};
    map[0xc1] = {Operation::ExchangeAdd, 0, kModRm | kFromRegister | kLockable};
    map[0xc3] = {Operation::Move, 0, kModRm | kFromRegister | kMemoryOnly}; // MOVNTI
    return map;
}

} // namespace hv::emulate::opcodes
