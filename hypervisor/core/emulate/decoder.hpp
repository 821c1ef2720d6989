// SPDX-License-Identifier: MIT
// Decodes the instructions that a paravirtual guest needs carried out for it. Table-driven, allocates nothing.
#pragma once

#include <core/emulate/instruction.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace hv::emulate
{

inline constexpr std::size_t kMaxInstructionLength = 15;

enum class CodeMode : std::uint8_t
{
    Long,     // 64-bit code segment
    Compat32, // 32-bit code segment under long mode
    Compat16,
};

enum class DecodeStatus : std::uint8_t
{
    Ok,
    Truncated,   // needs more bytes than given
    Unsupported, // not an instruction of ours, or an encoding that hardware refuses
};

// Decodes the instruction at the start of `bytes`. `out` comes fresh and is meaningful only on Ok.
// Source of encodings: Intel SDM vol. 2. Memory operands with 16-bit addresses are Unsupported (string instructions excepted).
[[nodiscard]] DecodeStatus decode(std::span<std::uint8_t const> bytes, CodeMode mode, Instruction& out);

} // namespace hv::emulate
