// SPDX-License-Identifier: MIT
// Arithmetic with flags.
#include <core/emulate/arithmetic.hpp>

namespace hv::emulate
{
namespace
{

constexpr std::uint64_t kResultFlags = kFlagParity | kFlagZero | kFlagSign;
constexpr std::uint64_t kArithmeticFlags = kFlagCarry | kFlagAdjust | kFlagOverflow | kResultFlags;

constexpr std::uint64_t sign_bit(unsigned size)
{
    return 1ull << (8 * size - 1);
}

std::uint64_t result_flags(std::uint64_t value, unsigned size)
{
    std::uint64_t flags = 0;
    flags |= value == 0 ? kFlagZero : 0;
    flags |= (value & sign_bit(size)) != 0 ? kFlagSign : 0;
    flags |= (__builtin_popcountll(value & 0xff) & 1) == 0 ? kFlagParity : 0;
    return flags;
}

std::uint64_t replace(std::uint64_t flags, std::uint64_t mask, std::uint64_t value)
{
    return (flags & ~mask) | (value & mask);
}

Computed add(std::uint64_t left, std::uint64_t right, bool carry, unsigned size, std::uint64_t flags)
{
    std::uint64_t const mask = size_mask(size);
    std::uint64_t const value = (left + right + carry) & mask;
    std::uint64_t const carries = (left & right) | ((left | right) & ~value);
    std::uint64_t now = result_flags(value, size);
    now |= (carries & sign_bit(size)) != 0 ? kFlagCarry : 0;
    now |= (carries & 8) != 0 ? kFlagAdjust : 0;
    now |= ((left ^ value) & (right ^ value) & sign_bit(size)) != 0 ? kFlagOverflow : 0;
    return {value, replace(flags, kArithmeticFlags, now)};
}

Computed subtract(std::uint64_t left, std::uint64_t right, bool borrow, unsigned size, std::uint64_t flags)
{
    std::uint64_t const mask = size_mask(size);
    std::uint64_t const value = (left - right - borrow) & mask;
    std::uint64_t const borrows = (~left & right) | ((~left | right) & value);
    std::uint64_t now = result_flags(value, size);
    now |= (borrows & sign_bit(size)) != 0 ? kFlagCarry : 0;
    now |= (borrows & 8) != 0 ? kFlagAdjust : 0;
    now |= ((left ^ right) & (left ^ value) & sign_bit(size)) != 0 ? kFlagOverflow : 0;
    return {value, replace(flags, kArithmeticFlags, now)};
}

// AND, OR, XOR: carry and overflow become 0, adjust is undefined.
Computed logic(std::uint64_t value, unsigned size, std::uint64_t flags)
{
    return {value, replace(flags, kResultFlags | kFlagCarry | kFlagOverflow, result_flags(value, size))};
}

// BTS, BTR, BTC: the carry gets the old bit, the rest stays.
Computed bit(Operation operation, std::uint64_t old, std::uint64_t operand, unsigned size, std::uint64_t flags)
{
    std::uint64_t const mask = 1ull << (operand & (8 * size - 1));
    std::uint64_t value = old ^ mask;
    if (operation == Operation::BitSet)
        value = old | mask;
    else if (operation == Operation::BitReset)
        value = old & ~mask;
    return {value, replace(flags, kFlagCarry, (old & mask) != 0 ? kFlagCarry : 0)};
}

} // namespace

std::uint64_t compare_flags(std::uint64_t left, std::uint64_t right, unsigned size, std::uint64_t flags)
{
    return subtract(left, right, false, size, flags).flags;
}

Computed compute(Operation operation, std::uint64_t old, std::uint64_t operand, unsigned size, std::uint64_t flags)
{
    bool const carry = (flags & kFlagCarry) != 0;
    old &= size_mask(size);
    operand &= size_mask(size);
    switch (operation)
    {
    case Operation::ExchangeAdd:
    case Operation::Add: return add(old, operand, false, size, flags);
    case Operation::AddCarry: return add(old, operand, carry, size, flags);
    case Operation::Subtract: return subtract(old, operand, false, size, flags);
    case Operation::SubtractBorrow: return subtract(old, operand, carry, size, flags);
    case Operation::Or: return logic(old | operand, size, flags);
    case Operation::And: return logic(old & operand, size, flags);
    case Operation::Xor: return logic(old ^ operand, size, flags);
    case Operation::Increment:
    {
        Computed const result = add(old, 1, false, size, flags);
        return {result.value, replace(result.flags, kFlagCarry, flags)};
    }
    case Operation::Decrement:
    {
        Computed const result = subtract(old, 1, false, size, flags);
        return {result.value, replace(result.flags, kFlagCarry, flags)};
    }
    case Operation::Negate: return subtract(0, old, false, size, flags);
    case Operation::Not: return {~old & size_mask(size), flags};
    case Operation::BitSet:
    case Operation::BitReset:
    case Operation::BitComplement: return bit(operation, old, operand, size, flags);
    default: return {operand, flags};
    }
}

} // namespace hv::emulate
